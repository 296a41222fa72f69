"""How far a model is from the best that a model of its size could do."""

from __future__ import annotations

import numpy as np

RESOLVED = 1e-6  # training in float32 does not tell smaller relative errors from 0
_ROUNDING = 1e-4  # share of a floor by which float32 weights may miss it


def optimisation_part(error: float, upper_floor: float) -> float:
    """Decades of error above what the best model of this size reaches: log10(MSE / max(UB, 1e-6)).

    About 0 or less where training has found all that the size allows; with the approximation part
    log10(UB) it makes log10(MSE), as long as UB is above 1e-6.
    """
    return float(np.log10(max(error, np.finfo(float).tiny) / max(upper_floor, RESOLVED)))


def check_floor(error: float, lower_floor: float, *, model: str) -> None:
    """Make sure that no linear time-invariant model beats the bound that holds for all of its size.

    Parameters
    ----------
    error : float
        Population error of such a model, from its response: it has no sampling error.
    lower_floor : float
        The certified bound.
    model : str
        What to call it in the message.

    Raises
    ------
    ValueError
        It lies below the bound by more than rounding: a bug, or a wrong `state_size`,
        `receptive_field` or `linear` of the architecture.
    """
    if error + RESOLVED < lower_floor * (1 - _ROUNDING):
        raise ValueError(
            f"{model} is linear and has the relative error {error:.6g}, below {lower_floor:.6g}, "
            "which no linear model of its state size and receptive field can reach: the "
            "architecture declares one of them too small, or there is a bug"
        )
