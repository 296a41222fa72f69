"""Failure boundaries over the training budget: does more training help?"""

from __future__ import annotations

from typing import Any

import altair as alt
import pandas as pd
import xarray as xr

from mfbench.figures import theme
from mfbench.figures.tables import boundary_table, has, largest_widths

ALL_BUDGETS = True  # draw gets the whole cube; other figures get the largest budget


def draw(cube: xr.Dataset) -> Any:
    """One panel per kernel, one line per architecture at its largest width."""
    title = "Does failure recede with training?"
    if cube.sizes.get("budget", 1) < 2 or not has(cube, "boundary_censored"):
        return theme.nothing(
            title=title, why="The study has one budget. List several in training.steps."
        )
    parts = [
        boundary_table(cube.sel(budget=budget)).assign(budget=int(budget))
        for budget in cube.budget.values
    ]
    table = largest_widths(pd.concat(parts, ignore_index=True))
    table["from"] = table.memory_length_low.clip(lower=table.easiest)
    table["to"] = table.memory_length_high.clip(upper=table.hardest)
    base = alt.Chart(table).encode(
        x=alt.X(
            "budget:Q",
            scale=alt.Scale(type="log", base=2, nice=False, padding=12),
            axis=alt.Axis(values=cube.budget.values.tolist(), format="~s"),
            title="training steps",
        ),
        color=theme.architecture_colour(cube),
    )
    y = theme.boundary_axis(cube)
    line = base.mark_line(strokeWidth=2.2).encode(y=y)
    band = base.mark_area(opacity=0.12, line=False).encode(
        y=alt.Y("from:Q", scale=y["scale"]), y2="to:Q"
    )
    tooltip = ["architecture", "width", "kernel", "budget", "censored", "memory_length"]
    points = theme.boundary_points(base, {"!= 'none'": "triangle"}, y=y, tooltip=tooltip)
    panel = alt.layer(band, line, *points)
    chart = theme.by_kernel(panel.properties(width=330, height=220), cube)
    return theme.styled(
        chart.resolve_axis(x="independent", y="independent"),
        title=title,
        subtitle=[
            "Effective memory length at which half of the seeds succeed, by training budget; each "
            "budget is trained from the start.",
            "Band: 90 % interval. Open triangles: the boundary lies outside the study's levels.",
        ],
    )
