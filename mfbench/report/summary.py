"""The summary table at the top of the report."""

from __future__ import annotations

import numpy as np
import pandas as pd
import xarray as xr

from mfbench.cube.failure_boundaries import success_threshold
from mfbench.figures.tables import error_table


def summary_table(cube: xr.Dataset) -> pd.DataFrame:
    """One row per (architecture, width).

    Columns
    -------
    architecture, width, parameters, state_size, multiply_adds
        The model; ``state_size`` is NaN if it has no fixed size.
    solved, tasks
        Number of tasks with a median relative error below the study's ``evaluation.success``, and
        of all tasks.
    linear_system, linear_system_tasks
        Number of tasks that the best linear system of the model's state size solves on the test
        split, and of those with such a baseline.
    diverged, members
        Number of diverged and of all members.
    seconds
        Mean training time of a member.
    """
    table = error_table(cube)
    success = success_threshold(cube)
    rows = []
    for (architecture, width), group in table.groupby(["architecture", "width"], sort=False):
        at = cube.sel(architecture=architecture, width=width)
        solved = group["median"] < success
        systems = group.linear_system_error
        rows.append(
            {
                "architecture": architecture,
                "width": width,
                "parameters": int(at.parameters),
                "state_size": float(at.state_size),
                # Cubes of earlier versions lack it.
                "multiply_adds": float(at.get("multiply_adds", np.nan)),
                "solved": int(solved.sum()),
                "tasks": len(group),
                "linear_system": int((systems < success).sum()),
                "linear_system_tasks": int(systems.count()),
                "diverged": int(group.diverged.sum()),
                "members": int(group.members.sum()),
                "seconds": float(at.seconds.mean()),
            }
        )
    return pd.DataFrame(rows)
