"""Tidy tables of the distance to the optimum and the parts of the error."""

from __future__ import annotations

import numpy as np
import pandas as pd
import xarray as xr

from mfbench.cube.failure_boundaries import success_threshold
from mfbench.cube.select import selected
from mfbench.evaluation.optimum import RESOLVED
from mfbench.figures.tables import error_table, largest_widths, task_names, with_every_panel

PARTS = {
    "kernel_error": "wrong memory function",
    "time_variation": "varies over time",
    "squared_bias": "bias",
    "nonlinear_residual": "nonlinear residual",
}
_NOISE = "relative_mse_standard_error"
_CELL = ["architecture", "width", "kernel", "level"]


def part_table(cube: xr.Dataset) -> pd.DataFrame:
    """One row per (architecture at its largest width, kernel, level, part of the error).

    Columns: ``value``, the median of the part over seeds that did not diverge, at the selected
    learning rate, with negative estimates clipped to 0 (NaN if all diverged); ``total``, the sum
    of the values of a task; ``share`` of the total; ``floor_share``, the upper floor as a share of
    the total, at most 1; ``seeds``, the number of seeds behind the medians; ``median`` of
    relative_mse over all seeds, as in `error_table`; ``upper_floor``, ``memory_length`` and
    ``task``, the name of the task.
    """
    best = selected(cube[["selected_learning_rate", *PARTS]])
    medians = best[list(PARTS)].median("seed")
    found = medians.assign(seeds=best.kernel_error.count("seed")).to_dataframe()
    found = found[[*PARTS, "seeds"]].reset_index()
    wide = largest_widths(error_table(cube)).merge(found, on=_CELL)
    wide = wide.assign(task=task_names(wide), **wide[list(PARTS)].clip(lower=0))
    wide["total"] = wide[list(PARTS)].sum(axis=1)
    wide["floor_share"] = (wide.upper_floor / wide.total).where(wide.total > 0).clip(upper=1.0)
    kept = [*_CELL, "memory_length", "task", "median", "total", "upper_floor", "floor_share"]
    table = wide.melt([*kept, "seeds"], list(PARTS), var_name="part")
    table["share"] = table.value / table.total
    table["part"] = table.part.map(PARTS)
    return with_every_panel(cube, table)


def optimum_table(cube: xr.Dataset) -> pd.DataFrame:
    """One row per (architecture, width, kernel, level) that was trained.

    Columns: those of `error_table`; ``approximation``, log10 of the upper floor (-inf if it is 0);
    ``optimisation``, the median over seeds of log10(relative_mse / max(upper floor, 1e-6)),
    infinite if half of the seeds diverged; ``floor``, log10 of max(upper floor, 1e-6); ``error``,
    ``floor`` plus ``optimisation``; ``standard_error`` of the error over test sequences; and
    ``solved``.
    """
    names = ["status", "selected_learning_rate", "optimisation_part", _NOISE]
    best = selected(cube[names])
    optimisation = best.optimisation_part.where(best.status != "diverged", np.inf).median("seed")
    parts = {"approximation": cube.approximation_part, "optimisation": optimisation}
    parts["standard_error"] = best[_NOISE].median("seed")
    found = xr.Dataset(parts).to_dataframe()[list(parts)].dropna(subset="optimisation")
    table = error_table(cube).merge(found.reset_index(), on=_CELL)
    table["floor"] = table.approximation.clip(lower=np.log10(RESOLVED))
    table["error"] = table.floor + table.optimisation
    return table.assign(solved=table["median"] < success_threshold(cube))
