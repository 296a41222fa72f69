"""The table on top of the report: one row per architecture and width."""

from __future__ import annotations

import numpy as np
import pandas as pd
import xarray as xr

from mfbench.failure import success_threshold
from mfbench.figures.tables import error_table


def summary_table(cube: xr.Dataset) -> pd.DataFrame:
    """What a reader wants to know first.

    Columns
    -------
    architecture, width, parameters, state_size
        Which model; ``state_size`` is NaN where there is no fixed number.
    solved, tasks
        Number of tasks with a median relative error below the study's
        ``evaluation.success``, and of all tasks.
    one column per kernel
        The largest M99 up to which every level is solved; 0 where the easiest one is not.
    diverged, members
        Number of diverged members, and of all.
    seconds
        Mean training time of a member.
    """
    table = error_table(cube)
    success = success_threshold(cube)
    kernels = cube.kernel.values.tolist()
    rows = []
    for (architecture, width), group in table.groupby(["architecture", "width"], sort=False):
        at = cube.sel(architecture=architecture, width=width)
        solved = group["median"] < success
        reach = {
            kernel: _reach(group[group.kernel == kernel], solved[group.kernel == kernel])
            for kernel in kernels
        }
        rows.append(
            {
                "architecture": architecture,
                "width": width,
                "parameters": int(at.parameters),
                "state_size": float(at.state_size),
                "solved": int(solved.sum()),
                "tasks": len(group),
                **reach,
                "diverged": int(group.diverged.sum()),
                "members": int(group.members.sum()),
                "seconds": float(at.seconds.mean()),
            }
        )
    return pd.DataFrame(rows)


def _reach(levels: pd.DataFrame, solved: pd.Series) -> float:
    """Largest M99 before the first level that is not solved; NaN where nothing was run."""
    if levels.empty:
        return float("nan")
    order = levels.sort_values("level").index
    run = solved.loc[order].cummin()
    return float(levels.loc[order][run].memory_length.max()) if run.any() else 0.0


def hardest(cube: xr.Dataset, kernel: str) -> float:
    """The largest M99 that a kernel of the study has."""
    return float(np.nanmax(cube.memory_length.sel(kernel=kernel)))
