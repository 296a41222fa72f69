"""What the states of the models hold, and what their outputs use of it."""

from __future__ import annotations

import pandas as pd
import xarray as xr

from mfbench.cube.failure_boundaries import success_threshold
from mfbench.cube.select import selected
from mfbench.figures.tables import capacity_name, has

_NEEDED = (
    *("readout_error", "weights"),
    *("learned_memory_function", "learned_memory_function_standard_error"),
)


def capacity_table(cube: xr.Dataset) -> pd.DataFrame:
    """One row per (architecture, width) whose state is known.

    Columns
    -------
    architecture, width, state_size, tasks
        The model, and its number of tasks with a known state.
    holds, least, most
        Median, smallest and largest memory capacity over tasks, in lags, for what the target
        remembers; medians over seeds.
    uses
        Median over tasks of the effective number of lags in the learned memory function h: the
        squared sum of the energies w_s h_s^2, divided by the sum of their squares.
    unsolved, held
        Number of unsolved tasks, and of those that a linear readout of the state solves.
    """
    capacity = capacity_name(cube)
    if capacity is None or not has(cube, *_NEEDED):
        return pd.DataFrame()
    best = selected(cube[["selected_learning_rate", "relative_mse", capacity, *_NEEDED]])
    noise = best.learned_memory_function_standard_error**2
    energy = best.weights * (best.learned_memory_function**2 - noise).clip(min=0.0)
    found = xr.Dataset(
        {
            "holds": best[capacity].sum("lag", min_count=1),
            "uses": energy.sum("lag") ** 2 / (energy**2).sum("lag"),
            "error": best.relative_mse,
            "readout_error": best.readout_error,
        }
    )
    cells = found.median("seed").to_dataframe().dropna(subset="holds").reset_index()
    success = success_threshold(cube)
    rows = []
    for (architecture, width), group in cells.groupby(["architecture", "width"], sort=False):
        unsolved = ~(group.error < success)
        rows.append(
            {
                "architecture": architecture,
                "width": width,
                "state_size": float(group.state_size.iloc[0]),
                "tasks": len(group),
                "holds": float(group.holds.median()),
                "least": float(group.holds.min()),
                "most": float(group.holds.max()),
                "uses": float(group.uses.median()),
                "unsolved": int(unsolved.sum()),
                "held": int((unsolved & (group.readout_error < success)).sum()),
            }
        )
    return pd.DataFrame(rows)
