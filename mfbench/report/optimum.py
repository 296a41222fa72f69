"""How far each architecture is from the best that a linear model of its size can do."""

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
        Which model, and on how many tasks it was trained.
    unsolved, cannot, untrained
        Number of tasks that are not solved; of them, those that no linear model of this size
        solves (the lower floor is above the threshold), and those that the best known one does
        (the upper floor is below it).
    floor
        10 to the median over tasks of the approximation part; 0 where half of the floors are.
    times
        10 to the median over tasks of the optimisation part: the error in units of the floor, or
        of 1e-6 where that is larger.
    near
        Number of tasks with an error of at most twice that.
    beaten
        Number of tasks with an error below the lower floor by more than three standard errors,
        which only models that are nonlinear or vary over time can have.
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
    """The lower median, as halfway to an infinite value is no number."""
    return float(np.sort(values)[(len(values) - 1) // 2])
