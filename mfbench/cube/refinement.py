"""The levels that a second pass adds around each failure boundary."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import xarray as xr

from mfbench.cube.failure_boundaries import CENSORED, GROUP
from mfbench.files.paths import rho_text
from mfbench.tasks.kernels.memory import rho_for_memory_length, window_weights


def refined_levels(cube: xr.Dataset, *, levels: int) -> list[dict[str, Any]]:
    """Tasks to add to each (architecture, width, kernel) of a cube, within its boundary's interval.

    Their M99 lie evenly in log within the interval (up to the end of the grid where it ends off
    it), at whole numbers of steps that the group has no level of. Nothing is added where the
    boundary is censored, where no whole number fits, or for a memory length that the family cannot
    have.

    Parameters
    ----------
    cube : Dataset
        A benchmark cube as `open_benchmark` returns it, with its failure boundaries.
    levels : int
        Number of levels to add to a group at most.

    Returns
    -------
    list of dict
        One entry per group with levels to add, sorted by ``architecture``, ``width`` and
        ``kernel``; ``levels`` is a list of ``memory_length`` and ``rho`` from easy to hard.
    """
    task = json.loads(cube.attrs["settings"])["task"]
    weights = window_weights(task["length"], task["scored_from"])
    # A level that failed is there too: it is not to be had by adding it again.
    run = (cube.status != "absent").any(["learning_rate", "seed"])
    added = []
    for names, censored in cube.boundary_censored.to_series().items():
        here = dict(zip(GROUP, names, strict=True))
        if censored != CENSORED.index("none"):
            continue
        group = cube.sel(here)
        present = sorted({int(m) for m in group.memory_length.values[run.sel(here).values]})
        low = max(float(group.boundary_memory_length_low), present[0])
        high = min(float(group.boundary_memory_length_high), present[-1])
        tasks = []
        for length in added_lengths(low, high, present, count=levels):
            try:
                rho = rho_for_memory_length(here["kernel"], length, task["length"], weights)
            except ValueError:
                continue  # the family goes past this memory length from one knob to the next
            tasks.append({"memory_length": length, "rho": float(rho_text(rho))})
        if tasks:
            added.append({**here, "width": int(here["width"]), "levels": tasks})
    return sorted(added, key=lambda entry: [entry[name] for name in GROUP])


def added_lengths(low: float, high: float, present: list[int], *, count: int) -> list[int]:
    """At most `count` whole numbers strictly between two lengths, evenly in log.

    Each of the even positions takes the whole number nearest to it in log that is neither present
    nor chosen already.
    """
    free = [m for m in range(math.floor(low) + 1, math.ceil(high)) if m not in present]
    chosen: list[int] = []
    for wanted in np.geomspace(low, high, count + 2)[1:-1]:
        if free:
            chosen.append(min(free, key=lambda m: abs(math.log(m / wanted))))
            free.remove(chosen[-1])
    return sorted(chosen)
