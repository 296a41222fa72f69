"""Choose the levels that the phase `refine` adds around each failure boundary."""

from __future__ import annotations

import json
import math
from itertools import product
from typing import Any

import numpy as np
import xarray as xr

from mfbench.cube.failure_boundaries import CENSORED, GROUP
from mfbench.cube.select import longest
from mfbench.files.paths import rho_text
from mfbench.tasks.kernels.memory import rho_for_memory_length, window_weights


def refined_levels(cube: xr.Dataset, *, levels: int) -> list[dict[str, Any]]:
    """Choose levels to add to each (architecture, width, kernel), within its boundary's interval.

    The new M99 are whole numbers of steps at which the group has no level yet, spaced evenly in log
    over the part of the interval within the grid. A group gets no levels if its boundary is
    censored or no whole number fits. Memory lengths that the kernel family cannot have are skipped.

    Parameters
    ----------
    cube : Dataset
        A benchmark cube with failure boundaries, as `open_benchmark` returns it.
    levels : int
        Maximum number of levels to add to a group.

    Returns
    -------
    list of dict
        One entry per group with levels to add, sorted by ``architecture``, ``width`` and
        ``kernel``; ``levels`` is a list of ``memory_length`` and ``rho`` from easy to hard, with
        ``runs``, a list of (steps, learning rate, seed), if a pilot has kept only some rates.
    """
    cube, settings = longest(cube), json.loads(cube.attrs["settings"])
    task, kernels = settings["task"], settings["kernels"]
    weights = window_weights(task["length"], task["scored_from"])
    # Failed levels count as present; adding them again would not help.
    run = (cube.status != "absent").any(["learning_rate", "seed"])
    added = []
    for names, censored in cube.boundary_censored.to_series().items():
        here = dict(zip(GROUP, names, strict=True))
        if censored != CENSORED.index("none"):
            continue
        group = cube.sel(here)
        runs = _runs(group, settings["training"])
        present = sorted({int(m) for m in group.memory_length.values[run.sel(here).values]})
        low = max(float(group.boundary_memory_length_low), present[0])
        high = min(float(group.boundary_memory_length_high), present[-1])
        family = kernels[here["kernel"]][0]["family"]
        tasks = []
        for length in added_lengths(low, high, present, count=levels):
            try:
                rho = rho_for_memory_length(family, length, task["length"], weights)
            except ValueError:
                continue  # no rho of this family gives this memory length
            tasks.append({"memory_length": length, "rho": float(rho_text(rho))} | runs)
        if tasks:
            added.append({**here, "width": int(here["width"]), "levels": tasks})
    return sorted(added, key=lambda entry: [entry[name] for name in GROUP])


def _runs(group: xr.Dataset, training: dict[str, Any]) -> dict[str, Any]:
    """The runs of a group's levels, if it has not all the learning rates of the study."""
    kept = (group.status != "absent").any(["level", "seed"])
    if kept.all():
        return {}
    rates = group.learning_rate.values[kept.values].tolist()
    return {"runs": list(product(training["steps"], rates, training["seeds"]))}


def added_lengths(low: float, high: float, present: list[int], *, count: int) -> list[int]:
    """Choose at most `count` whole numbers strictly between two lengths, evenly in log.

    Each evenly spaced position takes the nearest whole number, in log, that is still free.
    """
    free = [m for m in range(math.floor(low) + 1, math.ceil(high)) if m not in present]
    chosen: list[int] = []
    for wanted in np.geomspace(low, high, count + 2)[1:-1]:
        if free:
            chosen.append(min(free, key=lambda m: abs(math.log(m / wanted))))
            free.remove(chosen[-1])
    return sorted(chosen)
