"""Choose the runs that look for the cause of each failure (docs/theory.md, section 7)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import mode
from typing import Any

import numpy as np
import xarray as xr

from mfbench.cube.causes import chosen_members, out_of_reach, tried, unsolved
from mfbench.cube.failure_boundaries import GROUP, success_threshold
from mfbench.cube.select import longest
from mfbench.evaluation.statistics import rate_edge
from mfbench.training.run import Run

_RATIO = math.sqrt(10)  # between neighbouring rates, if the study has only one


def diagnosed_cells(
    cube: xr.Dataset, *, steps: int, learning_rates: int, seeds: int, levels: str
) -> list[dict[str, Any]]:
    """Choose the cells to diagnose, and the runs to add to each.

    A cell that is out of reach needs no experiment. In every other unsolved cell, the study's seeds
    run with more steps, at the rates beyond the edge of the grid, and with more steps at the
    nearest of these rates; further seeds run with nothing else changed.

    Parameters
    ----------
    cube : Dataset
        A benchmark cube, as `open_benchmark` returns it.
    steps : int
        Factor on the number of steps.
    learning_rates : int
        Number of rates beyond the edge.
    seeds : int
        Number of further seeds.
    levels : {"first", "all"}
        The easiest unsolved level of each architecture, width and kernel, or all.

    Returns
    -------
    list of dict
        One entry per group, with ``architecture``, ``width``, ``kernel`` and ``levels``; each level
        has ``rho`` and ``runs``, a list of (steps, learning rate, seed).
    """
    cube, threshold = longest(cube), success_threshold(cube)
    groups = []
    left = unsolved(cube)
    for at in np.ndindex(left.shape[:-1]):
        place = dict(zip(GROUP, at, strict=True))
        group = cube.isel(place)
        chosen: list[dict[str, Any]] = []
        for level in np.flatnonzero(left.isel(place).values):
            cell = group.isel(level=int(level))
            if out_of_reach(cell, threshold):
                continue
            runs = diagnosing_runs(cell, steps=steps, learning_rates=learning_rates, seeds=seeds)
            chosen.append({"rho": float(cell.rho), "runs": sorted(runs)})
            if levels == "first":
                break
        if chosen:
            groups.append({**{name: group[name].item() for name in GROUP}, "levels": chosen})
    return groups


def diagnosing_runs(cell: xr.Dataset, *, steps: int, learning_rates: int, seeds: int) -> list[Run]:
    """The runs to add to a cell, over learning rate and seed."""
    cell = tried(cell)
    rates, own = cell.learning_rate.values, cell.seed.values.tolist()
    chosen = chosen_members(cell).learning_rate.values
    budget = int(cell.budget)
    best = float(mode(chosen.tolist()))
    further = range(max(own) + 1, max(own) + 1 + seeds)
    beyond = rates_beyond(rates, rate_edge(chosen, rates), count=learning_rates)
    return [
        *(Run(steps * budget, best, seed) for seed in own),
        *(Run(budget, rate, seed) for rate in beyond for seed in own),
        *(Run(steps * budget, rate, seed) for rate in beyond[:1] for seed in own),
        *(Run(budget, best, seed) for seed in further),
    ]


def rates_beyond(rates: Sequence[float], edge: float, *, count: int) -> list[float]:
    """Learning rates beyond an edge of the grid, nearest first, with the spacing at that edge.

    Parameters
    ----------
    rates : sequence of float
        The grid, ascending.
    edge : float
        -1: below the lowest; 1: above the highest; 0: none; NaN: a single rate, so both sides.
    count : int
        Number of rates.

    Examples
    --------
    >>> rates_beyond([0.01, 0.03], 1, count=2)
    [0.09, 0.27]
    """
    if edge == 0:
        return []
    lower, upper = (
        (rates[1] / rates[0], rates[-1] / rates[-2]) if len(rates) > 1 else (_RATIO, _RATIO)
    )
    up = [float(rates[-1]) * upper**i for i in range(1, count + 1)]
    down = [float(rates[0]) / lower**i for i in range(1, count + 1)]
    both = [rate for pair in zip(up, down, strict=True) for rate in pair][:count]
    found = {1.0: up, -1.0: down}.get(edge, both)
    return [float(f"{rate:.3g}") for rate in found]
