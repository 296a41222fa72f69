"""How far a model's error is from the floor for its size."""

from __future__ import annotations

import numpy as np

from mfbench.models.own_code import ArchitectureError

RESOLVED = 1e-6  # training in float32 cannot resolve smaller relative errors
_ROUNDING = 1e-4  # share of a floor by which float32 rounding may undercut it


def optimisation_part(error: float, upper_floor: float) -> float:
    """Decades of error above the best linear system of this size: log10(MSE / max(UB, 1e-6)).

    It is about 0 or less if training reaches the best error that the size allows. Added to the
    approximation part log10(UB), it gives log10(MSE) while UB is above 1e-6.
    """
    return float(np.log10(max(error, np.finfo(float).tiny) / max(upper_floor, RESOLVED)))


def check_floor(error: float, lower_floor: float, *, model: str) -> None:
    """Check that a linear time-invariant model does not beat the lower bound for its size.

    Parameters
    ----------
    error : float
        Population error of the model, from its response and so without sampling error.
    lower_floor : float
        The certified bound.
    model : str
        Name of the model in the message.

    Raises
    ------
    ArchitectureError
        The error is below the bound by more than rounding. The architecture declares a wrong
        `state_size`, `receptive_field` or `linear`, or mfbench has a bug.
    """
    if error + RESOLVED < lower_floor * (1 - _ROUNDING):
        raise ArchitectureError(
            f"{model} is linear and has a relative error of {error:.6g}, below the floor of "
            f"{lower_floor:.6g} for its state size and receptive field: the architecture declares "
            "one of them too small, or mfbench has a bug"
        )
