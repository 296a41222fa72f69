"""Count the tasks on which the seeds of two architectures do not overlap."""

from __future__ import annotations

import numpy as np
import pandas as pd
import xarray as xr

from mfbench.figures.tables import error_table, largest_widths


def difference_table(cube: xr.Dataset) -> pd.DataFrame:
    """Count the tasks on which all seeds of one architecture are better than all of the other.

    Architectures are compared at their largest widths and selected learning rates; a diverged seed
    is worse than any error.

    Returns
    -------
    DataFrame
        Architectures by architectures in the order of the study; symmetric, with a diagonal of 0.
    """
    names = cube.architecture.values.tolist()
    table = largest_widths(error_table(cube)).set_index(["architecture", "kernel", "level"])
    low, high, members = (table[c].unstack("architecture") for c in ("low", "high", "members"))
    # In trained cells, `low` is NaN if all seeds diverged, and `high` if any did.
    trained = members > 0
    low, high = low.where(low.notna(), np.inf), high.where(high.notna(), np.inf)
    counts = [
        [
            int(((high[a] < low[b]) | (high[b] < low[a]))[trained[a] & trained[b]].sum())
            if a in low and b in low
            else 0
            for b in names
        ]
        for a in names
    ]
    return pd.DataFrame(counts, index=names, columns=names)
