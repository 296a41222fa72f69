"""Gradient descent of a function of many variables."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy import optimize

from mfbench.floors.problem import Array


def minimise(
    objective: Callable[[Array], tuple[float, Array]], x: Array, *, iterations: int
) -> tuple[float, Array]:
    """L-BFGS (Liu & Nocedal 1989) from `x`: the least value found, and where.

    Parameters
    ----------
    objective : callable
        Value and slope at a point.
    x : (m,) array
        Where to start.
    iterations : int
        At most this many.
    """
    search: Any = optimize.minimize  # its stub knows no objective that returns its slope as well
    options = {"maxiter": iterations, "maxcor": 20}
    done = search(objective, x, jac=True, method="L-BFGS-B", options=options)
    return float(done.fun), np.asarray(done.x)
