"""Minimisation: any function from one point, least squares from many points at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mfbench.floors.problem import Array

_PROGRESS = 1e-6  # a step with a smaller relative gain makes no progress
_QUIET = 3  # a descent ends after this many steps without progress,
_REFUSED = 12  # or after this many failed attempts at one step

# For the points with the given indices: J' J (S, m, m) and J' residual (S, m), where J is the
# derivative of the residual with the coefficients refitted (variable projection).
Slopes = Callable[[NDArray[np.int_]], tuple[Array, Array]]


def minimise(
    objective: Callable[[Array], tuple[float, Array]], x: Array, *, iterations: int
) -> tuple[float, Array]:
    """Minimise by L-BFGS (Liu & Nocedal 1989); return the lowest value found and its point.

    Parameters
    ----------
    objective : callable
        Value and gradient at a point.
    x : (m,) array
        Starting point.
    iterations : int
        Maximum number of iterations.
    """
    from scipy import optimize  # slower to import than all of mfbench.floors

    search: Any = optimize.minimize  # its stub rejects an objective that also returns its gradient
    options = {"maxiter": iterations, "maxcor": 20}
    done = search(objective, x, jac=True, method="L-BFGS-B", options=options)
    return float(done.fun), np.asarray(done.x)


def least_squares(
    fit: Callable[[Array], tuple[Array, Slopes]],
    x: Array,
    *,
    iterations: int,
    enough: float,
    damping: float = 1e-3,
    confine: Callable[[Array, NDArray[np.int_]], tuple[Array, NDArray[np.bool_]]] | None = None,
) -> tuple[Array, Array]:
    """Run Levenberg-Marquardt from many points at once; return errors (S,) and points (S, m).

    Parameters
    ----------
    fit : callable
        Errors (S,) at points (S, m), and their `Slopes`.
    x : (S, m) array
        Starting points.
    iterations : int
        Maximum number of steps from each point.
    enough : float
        The whole search stops once one point has an error below this.
    damping : float
        Damping of the first steps, relative to the curvature.
    confine : callable, optional
        Gets trial points and the indices of their starts. Returns the points, moved to where `fit`
        is defined, and whether each may be accepted.
    """
    x = x.copy()
    error, slopes = fit(x)
    G, gradient = slopes(np.arange(len(x)))
    damped = np.full(len(x), damping)
    identity = np.eye(x.shape[1])
    steps, quiet, refused = np.zeros((3, len(x)), dtype=int)
    while error.min() >= enough:
        at = np.flatnonzero((steps < iterations) & (quiet < _QUIET) & (refused < _REFUSED))
        if not at.size:
            break
        size = np.sqrt(np.einsum("sii->si", G[at]))
        size = np.maximum(size, 1e-7 * size.max(axis=1, keepdims=True) + 1e-150)
        scaled = G[at] / (size[:, :, None] * size[:, None]) + damped[at, None, None] * identity
        step = np.linalg.solve(scaled, (gradient[at] / size)[..., None])[..., 0] / size
        trial, allowed = (x[at] - step, True) if confine is None else confine(x[at] - step, at)
        found, slopes = fit(trial)
        better = (found < error[at]) & allowed
        damped[at] = np.where(better, np.maximum(damped[at] / 5, 1e-12), damped[at] * 4)
        refused[at] = np.where(better, 0, refused[at] + 1)
        chosen = np.flatnonzero(better)
        at = at[chosen]
        little = error[at] - found[chosen] < _PROGRESS * error[at]
        quiet[at] = np.where(little, quiet[at] + 1, 0)
        steps[at] += 1
        x[at], error[at] = trial[chosen], found[chosen]
        if at.size:
            G[at], gradient[at] = slopes(chosen)
    return error, x
