"""The floor of a finite receptive field, for linear and nonlinear models alike."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mfbench.floors.problem import pose


def fir_floor(k: NDArray[np.floating], weights: NDArray[np.floating], width: int) -> float:
    """Lowest relative error of any model that sees only lags 0..width-1: the energy of the tail.

    White input at unseen lags is independent of everything the model sees, so no model, linear or
    not, can predict it. The finite impulse response k_0..k_{width-1} attains the bound.

    Parameters
    ----------
    k, weights : (T,) arrays
        Memory function and window weights over lag.
    width : int
        Receptive field in lags, 0 or more.

    Raises
    ------
    ValueError
        Invalid arrays, a kernel without energy, or a negative width.
    """
    problem = pose(k, weights, width, feedthrough=False)
    return float(np.sum((problem.weights * problem.k**2)[width:]))
