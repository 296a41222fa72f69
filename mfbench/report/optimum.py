"""How far each architecture is from the best linear model of its size."""

from __future__ import annotations

import numpy as np
import pandas as pd
import xarray as xr

from mfbench.cube.failure_boundaries import success_threshold
from mfbench.figures.optimum_tables import optimum_table
from mfbench.figures.tables import has


def distance_table(cube: xr.Dataset) -> pd.DataFrame:
    """One row per (architecture, width).

    Columns
    -------
    architecture, width, tasks
        The model and its number of trained tasks.
    unsolved, cannot, untrained
        Number of unsolved tasks; of these, the number that no linear time-invariant model of this
        size can solve (lower floor at or above the threshold) and the number that the best known
        one solves (upper floor below it).
    floor
        10 to the power of the median approximation part over tasks; 0 if half of the floors are 0.
    times
        10 to the power of the median optimisation part over tasks: the error divided by the floor
        or by 1e-6, whichever is larger.
    near
        Number of tasks with an error of at most twice the floor (or 1e-6).
    beaten
        Number of tasks with an error more than three standard errors below the lower floor, which
        only nonlinear or time-varying models can reach.
    """
    if not has(cube, "approximation_part", "optimisation_part"):
        return pd.DataFrame()
    rows = []
    success = success_threshold(cube)
    table = optimum_table(cube)
    for (architecture, width), group in table.groupby(["architecture", "width"], sort=False):
        rows.append(
            {
                "architecture": architecture,
                "width": width,
                "tasks": len(group),
                "unsolved": int((~group.solved).sum()),
                "cannot": int((~group.solved & (group.lower_floor >= success)).sum()),
                "untrained": int((~group.solved & (group.upper_floor < success)).sum()),
                "floor": float(10 ** _median(group.approximation)),
                "times": float(10 ** _median(group.optimisation)),
                "near": int((group.optimisation <= np.log10(2)).sum()),
                "beaten": int(
                    (group["median"] + 3 * group.standard_error < group.lower_floor).sum()
                ),
            }
        )
    return pd.DataFrame(rows)


def _median(values: pd.Series) -> float:
    """The lower median, which stays finite next to an infinite value."""
    return float(np.sort(values)[(len(values) - 1) // 2])
