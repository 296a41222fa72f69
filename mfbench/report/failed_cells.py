"""Failed cells and their error messages."""

from __future__ import annotations

import pandas as pd
import xarray as xr

from mfbench.cube.select import failed

_GROUP = ["architecture", "width", "kernel"]


def failed_table(cube: xr.Dataset) -> pd.DataFrame:
    """One row per (architecture, width, kernel, message).

    Further columns: ``levels``, the M99 of the cells with this message as text, and ``cells``,
    their number.
    """
    where = failed(cube)
    if not where.any():
        return pd.DataFrame(columns=[*_GROUP, "message", "levels", "cells"])
    table = xr.Dataset({"failed": where, "message": cube.message}).to_dataframe()
    table = table[table.failed].reset_index()
    rows = [
        {
            **dict(zip([*_GROUP, "message"], names, strict=True)),
            "levels": ", ".join(f"{m:.0f}" for m in group.memory_length),
            "cells": len(group),
        }
        for names, group in table.groupby([*_GROUP, "message"], sort=False)
    ]
    return pd.DataFrame(rows)
