"""Error on sequences longer than in training."""

from __future__ import annotations

from typing import Any

import xarray as xr

from mfbench.figures import theme
from mfbench.figures.response import draw_response, response_table
from mfbench.figures.tables import has


def draw(cube: xr.Dataset) -> Any:
    """One panel per kernel, one line per architecture, over sequence length."""
    title = "On longer sequences"
    if not has(cube, "generalisation_error"):
        return theme.nothing(title=title, why="This cube has no errors on longer sequences.")
    table = response_table(cube, "generalisation_error", trained_at=1)
    runs = table[table.change > 1].architecture.unique()
    cannot = [a for a in table.architecture.unique() if a not in runs]
    return draw_response(
        cube,
        table,
        label="datum.value + '×'",
        axis="length relative to training",
        title=title,
        subtitle=[
            "Error for the same memory function on new, longer sequences, without retraining: "
            "median over seeds.",
            *([f"Cannot run on longer sequences: {', '.join(cannot)}."] if cannot else []),
        ],
    )
