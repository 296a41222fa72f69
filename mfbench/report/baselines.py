"""Rows of the report for baselines, which belong to no architecture."""

from __future__ import annotations

from typing import Any

import xarray as xr

from mfbench.cube.failure_boundaries import success_threshold
from mfbench.figures.tables import has

NAMES = {"ridge_error": "ridge regression", "zero_error": "predicting zero"}


def baseline_rows(cube: xr.Dataset) -> list[dict[str, Any]]:
    """One row per baseline, or none in a cube without baselines.

    Each has a ``name``, and the number of tasks ``solved``, of all ``tasks`` with baselines.
    """
    success = success_threshold(cube)
    return [
        {
            "name": name,
            "solved": int((cube[error] < success).sum()),
            "tasks": int(cube[error].count()),
        }
        for error, name in NAMES.items()
        if has(cube, error)
    ]
