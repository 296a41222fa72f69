"""Learned memory functions and their targets: what does a model remember, lag by lag?"""

from __future__ import annotations

from typing import Any

import altair as alt
import xarray as xr

from mfbench.figures import theme
from mfbench.figures.tables import memory_table, rounded


def draw(cube: xr.Dataset) -> Any:
    """One panel per architecture and kernel, at a level that the reader chooses."""
    table = rounded(memory_table(cube), "target", "median", "low", "high", digits=3)
    # Beyond twice the memory length, the target is almost zero.
    table = table[~(table.lag > 2 * table.memory_length + 4)]
    base = alt.Chart(table).transform_filter("datum.level == level")
    x = alt.X(
        "lag:Q", title=f"lag ({theme.steps_of_lags(cube)})", axis=alt.Axis(tickCount=4, format="d")
    )
    y: dict[str, Any] = {"title": None, "axis": alt.Axis(tickCount=3)}
    band = base.mark_area(opacity=0.25).encode(
        x=x, y=alt.Y("low:Q", **y), y2="high:Q", color=theme.architecture_colour(cube, legend=None)
    )
    learned = base.mark_line(strokeWidth=2.2).encode(
        x=x, y=alt.Y("median:Q", **y), color=theme.architecture_colour(cube, legend=None)
    )
    target = base.mark_line(strokeWidth=1.1, color=theme.INK, strokeDash=[3, 2]).encode(
        x=x, y=alt.Y("target:Q", **y)
    )
    note = theme.memory_length_note(base, by=["architecture", "kernel"], right=146)
    chart = (
        alt.layer(band, learned, target, note)
        .properties(width=150, height=84)
        .facet(**theme.architectures_by_kernels(cube))
        .resolve_scale(y="independent")
        .add_params(theme.level_slider(cube))
    )
    return theme.styled(
        chart,
        title="What the models remember",
        subtitle=[
            "Learned memory function (mean response by lag) in colour: median over seeds, with "
            "their range as a band. Dashed: the target."
        ],
    )
