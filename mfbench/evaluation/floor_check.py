"""Check that no linear time-invariant model beats the certified lower bound for its size."""

from __future__ import annotations

from mfbench.evaluation.optimum import RESOLVED
from mfbench.models.own_code import ArchitectureError

_ROUNDING = 1e-4  # share of a floor by which float32 rounding may undercut it


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
