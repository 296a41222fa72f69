"""Error after random changes of the weights: how sharp is the minimum?"""

from __future__ import annotations

from typing import Any

import xarray as xr

from mfbench.figures import theme
from mfbench.figures.response import draw_response, response_table
from mfbench.figures.tables import has


def draw(cube: xr.Dataset) -> Any:
    """One panel per kernel, one line per architecture, over the size of the change."""
    title = "How much the weights may change"
    if not has(cube, "perturbation_error"):
        return theme.nothing(title=title, why="This cube has no perturbations of the weights.")
    return draw_response(
        cube,
        response_table(cube, "perturbation_error", trained_at=0.0),
        label="datum.value == 0 ? 'trained' : format(datum.value, '~g')",
        axis="relative norm of the change of all weights",
        title=title,
        subtitle=[
            "Test error after a change of all weights in a random direction: median over "
            "directions, then over seeds.",
            "Measured on a part of the test sequences, so unchanged weights may give slightly "
            "different errors than in other figures.",
        ],
    )
