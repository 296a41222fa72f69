"""A tidy table of the step at which each lag is learned."""

from __future__ import annotations

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from mfbench.cube.select import selected, trained
from mfbench.figures.tables import largest_widths, with_every_panel

NEEDED = ("memory_over_training", "memory_function", "weights")
RELEVANT = 0.01  # only lags with at least this share of the largest weighted energy count
CLOSE = 0.5  # a lag is learned if |h_s - k_s| is below this share of |k_s|


def learned_steps(
    memory: NDArray[np.floating], k: NDArray[np.floating], steps: NDArray[np.integer]
) -> NDArray[np.float64]:
    """Find the first validated step at which each lag is learned.

    A lag is learned at a step if ``|h_s - k_s| < |k_s| / 2`` there and at all later steps;
    otherwise a response that only crosses its target would count.

    Parameters
    ----------
    memory : (..., step, lag) array
        Learned memory functions h; NaN (after divergence) counts as not learned.
    k : (lag,) array
        Memory function of the target.
    steps : (step,) array
        Validated steps, ascending.

    Returns
    -------
    (..., lag) array
        Infinite if a lag is not learned at the last step.
    """
    close = np.abs(memory - k) < CLOSE * np.abs(k)
    kept = np.logical_and.accumulate(close[..., ::-1, :], axis=-2)[..., ::-1, :]
    return np.where(kept[..., -1, :], steps[kept.argmax(-2)], np.inf)


def lag_table(cube: xr.Dataset) -> pd.DataFrame:
    """One row per (architecture at its largest width, kernel, level, relevant lag).

    Columns: ``median``, ``low`` and ``high`` over seeds of the step from which the lag stays
    learned, at the selected learning rate; infinite if it is not learned, as in a diverged member.
    """
    grid = ("architecture", "width", "kernel", "level")
    best = selected(cube[["status", "selected_learning_rate", "memory_over_training"]])
    # Plain arrays: selecting a cell with xarray takes far longer than computing its steps.
    memory = best.memory_over_training.transpose(*grid, "seed", "step", "lag").values
    members = trained(best).transpose(*grid, "seed")
    k = cube.memory_function.transpose("kernel", "level", "lag").values
    energy = cube.weights.values * k**2
    run = members.any("seed").to_dataframe(name="run").reset_index()
    run = largest_widths(run[run.run])
    cells = np.stack(np.unravel_index(run.index.to_numpy(), members.shape[: len(grid)]), axis=1)
    rows = []
    for row, cell in zip(run.itertuples(), map(tuple, cells), strict=True):
        task = cell[2:]
        lags = np.flatnonzero(energy[task] >= RELEVANT * energy[task].max())
        h = memory[cell][members.values[cell]][..., lags]
        steps = learned_steps(h, k[task][lags], cube.step.values)
        found = {"median": np.median(steps, 0), "low": steps.min(0), "high": steps.max(0)}
        where = {name: getattr(row, name) for name in ("architecture", "kernel", "level")}
        where |= {"memory_length": row.memory_length}
        rows.append(pd.DataFrame({**where, "lag": cube.lag.values[lags], **found}))
    return with_every_panel(cube, pd.concat(rows, ignore_index=True))
