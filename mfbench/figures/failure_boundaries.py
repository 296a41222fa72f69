"""Failure boundaries with intervals: how long a memory can each architecture learn?"""

from __future__ import annotations

from typing import Any

import altair as alt
import numpy as np
import pandas as pd
import xarray as xr

from mfbench.cube.failure_boundaries import success_threshold
from mfbench.cube.monotone import NOT_MONOTONE
from mfbench.figures import theme
from mfbench.figures.tables import boundary_table, has, model_names, short_steps


def draw(cube: xr.Dataset) -> Any:
    """One panel per kernel, one row per architecture (and width)."""
    title = "How long a memory can be learned"
    if not has(cube, "boundary_monotone_p_value"):
        return theme.nothing(title=title, why="This cube has no failure boundaries.")
    lengths = theme.lengths_of(cube)
    table = _placed(boundary_table(cube), theme.memory_length_domain(lengths))
    table["label"] = model_names(table)
    colour = theme.architecture_colour(cube, legend=None)
    base = alt.Chart(table).encode(
        y=alt.Y("label:N", sort=list(table.label.unique()), title=None), color=colour
    )
    x = theme.memory_length_axis(cube, lengths, "at:Q")
    interval = base.mark_rule(strokeWidth=3, opacity=0.45).encode(
        x=theme.memory_length_axis(cube, lengths, "from:Q"), x2="to:Q"
    )
    tooltip = [
        "architecture", "width", "kernel", "censored",
        alt.Tooltip("memory_length", title="M99 at the boundary", format=".3g"),
        alt.Tooltip("memory_length_low", title="low", format=".3g"),
        alt.Tooltip("memory_length_high", title="high", format=".3g"),
        alt.Tooltip("rho", title="rho at the boundary", format=".4g"),
    ]  # fmt: skip
    outside = {"== 'below'": "triangle-left", "== 'above'": "triangle-right"}
    points = theme.boundary_points(base, outside, sizes=(95, 110), x=x, tooltip=tooltip)
    text = base.mark_text(dy=-12, fontSize=11).encode(
        x=x, text="text:N", color=alt.value(theme.INK)
    )
    panel = alt.layer(interval, *points, text)
    chart = theme.by_kernel(panel.properties(width=330, height=alt.Step(38)), cube)
    rises = (table.monotone_p_value <= NOT_MONOTONE).any()
    dagger = f"†: success is not monotone in difficulty (p <= {NOT_MONOTONE})."
    return theme.styled(
        chart.resolve_axis(x="independent", y="independent"),
        title=title,
        subtitle=[
            "Effective memory length at which half of the seeds reach a relative error below "
            f"{success_threshold(cube):g}, with its 90 % interval.",
            "Open triangles: the boundary lies outside the study's levels, on the side they point "
            "to.",
            *([dagger] if rises else []),
        ],
    )


def _placed(table: pd.DataFrame, frame: tuple[float, float]) -> pd.DataFrame:
    """Add intervals, up to the frame where they are open, and texts."""
    table = table.copy()
    table["from"] = table.memory_length_low.clip(lower=frame[0])
    table["to"] = table.memory_length_high.clip(upper=frame[1])
    sign = table.censored.map({"none": "", "below": "< ", "above": "> "})
    dagger = np.where(table.monotone_p_value <= NOT_MONOTONE, "†", "")
    table["text"] = sign + table["at"].map(short_steps) + dagger
    # JSON has no infinity.
    return table.replace([np.inf, -np.inf], np.nan)
