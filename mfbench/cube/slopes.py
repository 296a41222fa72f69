"""How the failure boundary moves with the training budget, or with the width."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from mfbench.cube.boundaries import crossing, falling, levels_above
from mfbench.cube.failure_boundaries import success_threshold
from mfbench.cube.select import selected, trained

_TAIL = (1 - 0.9) / 2


class Slope(NamedTuple):
    """Octaves of M99 at the failure boundary per octave of steps (or width).

    Attributes
    ----------
    value, low, high : float
        The estimate and its 90 % interval; NaN if fewer than two boundaries lie on the grid.
    """

    value: float
    low: float
    high: float


def boundary_slope(
    size: ArrayLike,
    memory_length: ArrayLike,
    successes: ArrayLike,
    trials: ArrayLike,
    *,
    draws: int = 2000,
) -> Slope:
    """Least-squares slope of log2 M99 at the boundary over log2 size.

    The interval comes from draws of the boundaries, with success rates from the posteriors of
    `failure_boundary`. A crossing is drawn uniformly between the two levels around it, because a
    coarse grid does not show where it is; off the grid, it counts as the end of the grid. Nothing
    is extrapolated, so an off-grid boundary pulls the slope towards 0.

    Parameters
    ----------
    size : (K,) array
        Numbers of steps, or widths.
    memory_length : (levels,) array
        M99 of each level, ascending.
    successes, trials : (K, levels) array of int
        Counts for each size and level; levels without trials are ignored.
    draws : int
        Number of draws from the posteriors.
    """
    octaves = np.log2(np.asarray(size, float))
    octaves -= octaves.mean()
    lengths = np.log2(np.asarray(memory_length, float))
    generator = np.random.default_rng(0)
    estimates, drawn, on_grid = [], [], 0
    for s, n in zip(np.asarray(successes, float), np.asarray(trials, float), strict=True):
        at = lengths[n > 0]
        found = crossing(falling(s[n > 0] / n[n > 0], n[n > 0]))
        on_grid += bool(np.isfinite(found))
        last = len(at) - 1
        estimates.append(np.interp(np.clip(found, 0, last), np.arange(len(at)), at))
        above = levels_above(s[n > 0], n[n > 0], draws=draws, generator=generator)
        place = np.clip(above - generator.uniform(size=draws), 0, last)
        drawn.append(np.interp(place, np.arange(len(at)), at))
    if on_grid < 2:
        return Slope(np.nan, np.nan, np.nan)
    weights = octaves / (octaves**2).sum()
    low, high = np.quantile(weights @ np.array(drawn), [_TAIL, 1 - _TAIL])
    value = float(weights @ np.array(estimates))
    return Slope(value, min(float(low), value), max(float(high), value))


def boundary_slopes(cube: xr.Dataset, *, along: str) -> xr.Dataset:
    """The slope of each failure boundary along the budget or the width.

    Parameters
    ----------
    cube : Dataset
        A benchmark cube, as `open_benchmark` returns it.
    along : {"budget", "width"}

    Returns
    -------
    Dataset
        ``slope``, ``slope_low`` and ``slope_high`` over the other dimensions among architecture,
        width, kernel and budget.
    """
    best = selected(cube[["status", "relative_mse", "selected_learning_rate"]])
    counts = xr.Dataset(
        {
            "trials": trained(best).sum("seed"),
            "successes": (best.relative_mse < success_threshold(cube)).sum("seed"),
        }
    )
    rest = [d for d in ("architecture", "width", "kernel", "budget") if d != along]
    rest = [d for d in rest if d in counts.trials.dims]
    counts = counts.transpose(*rest, along, "level")
    lengths = cube.memory_length.transpose("kernel", "level").values
    shape = tuple(counts.sizes[d] for d in rest)
    found: NDArray[np.float64] = np.full((3, *shape), np.nan)
    for at in np.ndindex(shape):
        trials = counts.trials.values[at]
        there = trials.sum(1) > 0
        if there.sum() < 2:
            continue
        found[(slice(None), *at)] = boundary_slope(
            cube[along].values[there],
            lengths[at[rest.index("kernel")]],
            counts.successes.values[at][there],
            trials[there],
        )
    names = ("slope", "slope_low", "slope_high")
    return xr.Dataset(
        {name: (rest, values) for name, values in zip(names, found, strict=True)},
        coords={d: cube[d] for d in rest},
    )
