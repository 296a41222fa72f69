"""Failure boundaries of all groups in a cube."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import xarray as xr

from mfbench.cube.boundaries import failure_boundary
from mfbench.cube.monotone import NOT_MONOTONE, monotone_p_value
from mfbench.cube.select import selected, trained
from mfbench.files.netcdf import about

GROUP = ("architecture", "width", "kernel")
CENSORED = ("none", "below", "above", "absent")  # flags 0, 1, 2, 3 in the cube
_NUMBERS = {
    "boundary_memory_length": "M99 in time steps where half of the seeds succeed",
    "boundary_memory_length_low": "lower end of the interval of boundary_memory_length",
    "boundary_memory_length_high": "upper end of the interval of boundary_memory_length",
    "boundary_rho": "knob of the kernel's family where half of the seeds succeed",
    "boundary_rho_low": "lower end of the interval of boundary_rho",
    "boundary_rho_high": "upper end of the interval of boundary_rho",
}
_CONFIDENCE = 0.9


def success_threshold(cube: xr.Dataset) -> float:
    """The relative error below which a member of this study succeeds."""
    return float(json.loads(cube.attrs["settings"])["evaluation"]["success"])


def boundary_variables(cube: xr.Dataset) -> xr.Dataset:
    """Compute the boundary of each (architecture, width, kernel, budget), with a 90 % interval.

    The trials of a level are its seeds, each at the learning rate that is best for the others
    (`selected`); a diverged seed is a trial without success. Absent and failed cells are excluded:
    broken code says nothing about memory.

    Parameters
    ----------
    cube : Dataset
        A benchmark cube, during assembly or opened.

    Returns
    -------
    Dataset
        ``boundary_memory_length`` and ``boundary_rho``, NaN if the boundary is off the grid; both
        with ``_low`` and ``_high``, infinite if that end is off the grid; the flag
        ``boundary_censored``, an index into `CENSORED`; and ``boundary_monotone_p_value``: at most
        `NOT_MONOTONE` if success rises somewhere with difficulty.
    """
    best = selected(cube[["status", "relative_mse", "selected_learning_rate"]])
    dims = (*GROUP, *(["budget"] if "budget" in cube.dims else []))
    trials = trained(best).sum("seed").transpose(*dims, "level").values
    solved = (best.relative_mse < success_threshold(cube)).sum("seed")
    successes = solved.transpose(*dims, "level").values
    shape = trials.shape[:-1]
    numbers = {name: np.full(shape, np.nan) for name in _NUMBERS}
    rises = np.full(shape, np.nan)
    censored = np.full(shape, CENSORED.index("absent"), dtype="i1")
    lengths = cube.memory_length.transpose("kernel", "level").values
    knobs = cube.rho.transpose("kernel", "level").values
    for at in np.ndindex(shape):
        run = trials[at] > 0
        if not run.any():
            continue
        counts = successes[at][run].tolist(), trials[at][run].tolist()
        tasks = lengths[at[2], run], knobs[at[2], run]
        found = failure_boundary(*tasks, *counts, confidence=_CONFIDENCE)
        for name, values in numbers.items():
            values[at] = getattr(found, name.removeprefix("boundary_"))
        rises[at] = monotone_p_value(*map(tuple, counts))
        censored[at] = CENSORED.index(found.censored)
    variables: dict[str, Any] = {}
    for name, values in numbers.items():
        comment = (
            f"{_CONFIDENCE:.0%} interval, infinite if it ends off the grid"
            if name.endswith(("low", "high"))
            else "NaN if it is off the grid: see boundary_censored"
        )
        variables[name] = dims, values, about(_NUMBERS[name], comment=comment)
    variables["boundary_monotone_p_value"] = (
        dims,
        rises,
        about(
            "probability that success rises this much with difficulty by chance",
            comment=f"if at most {NOT_MONOTONE}, success is not monotone in difficulty",
        ),
    )
    variables["boundary_censored"] = (
        dims,
        censored,
        about(
            "side on which the failure boundary lies off the grid",
            flag_values=np.arange(len(CENSORED), dtype="i1"),
            flag_meanings=" ".join(CENSORED),
            comment="none: on the grid; below: fails at the easiest level; above: succeeds at the "
            "hardest level; absent: not trained",
        ),
    )
    return xr.Dataset(variables, coords={name: cube[name] for name in dims})
