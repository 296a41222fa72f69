"""Why cells are not solved, as a table."""

from __future__ import annotations

from typing import Any

import xarray as xr

from mfbench.cube.causes import CAUSES
from mfbench.figures.tables import cause_table


def causes_by_model(cube: xr.Dataset) -> dict[str, Any]:
    """Number of unsolved cells by cause, for each architecture and width.

    Returns
    -------
    dict
        ``columns``: the causes that occur; ``rows``: ``architecture``, ``width`` and ``counts``;
        ``cells``: a record for each unsolved cell, as in `cause_table`.
    """
    table = cause_table(cube)
    columns = [cause for cause in CAUSES if cause in set(table.cause)]
    rows = [
        {"architecture": a, "width": w, "counts": [int((part.cause == c).sum()) for c in columns]}
        for (a, w), part in table.groupby(["architecture", "width"], sort=False)
    ]
    return {"columns": columns, "rows": rows, "cells": table.to_dict("records")}
