"""When which lag is learned, as a tidy table."""

from __future__ import annotations

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from mfbench.cube.select import selected, trained
from mfbench.figures.tables import largest_widths, with_every_panel

NEEDED = ("memory_over_training", "memory_function", "weights")
RELEVANT = 0.01  # lags with at least this share of the largest weighted energy are looked at
CLOSE = 0.5  # a lag is learned where |h_s - k_s| is below this share of |k_s|


def learned_steps(
    memory: NDArray[np.floating], k: NDArray[np.floating], steps: NDArray[np.integer]
) -> NDArray[np.float64]:
    """The step from which on each lag is learned, for good.

    For good: at this validated step and all later ones ``|h_s - k_s| < |k_s| / 2``. The first time
    would also count a response that passes by its target on the way to elsewhere.

    Parameters
    ----------
    memory : (..., step, lag) array
        Learned memory functions h; NaN (after a divergence) is not learned.
    k : (lag,) array
        The target's.
    steps : (step,) array
        Validated steps, ascending.

    Returns
    -------
    (..., lag) array
        Infinite where a lag is not learned at the last step.
    """
    close = np.abs(memory - k) < CLOSE * np.abs(k)
    kept = np.logical_and.accumulate(close[..., ::-1, :], axis=-2)[..., ::-1, :]
    return np.where(kept[..., -1, :], steps[kept.argmax(-2)], np.inf)


def lag_table(cube: xr.Dataset) -> pd.DataFrame:
    """One row per (architecture at its largest width, kernel, level, lag that matters).

    Columns: ``median``, ``low`` and ``high`` over seeds of the step from which on the lag is
    learned, at the selected learning rate; infinite where it is not, as in a member that diverged.
    """
    grid = ("architecture", "width", "kernel", "level")
    best = selected(cube[["status", "selected_learning_rate", "memory_over_training"]])
    # Plain arrays: xarray takes far longer to pick a cell than its steps take to compute.
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
