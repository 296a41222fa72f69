"""Learned memory functions and their targets: what does a model remember, lag by lag?

Behind them, what its state holds.
"""

from __future__ import annotations

from typing import Any

import altair as alt
import xarray as xr

from mfbench.figures import theme
from mfbench.figures.tables import capacity_name, memory_table, rounded


def draw(cube: xr.Dataset) -> Any:
    """One panel per architecture and kernel, at a level that the reader chooses."""
    table = rounded(memory_table(cube), "target", "median", "low", "high", "held", digits=3)
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
    panel = over_capacity(alt.layer(band, learned, target, note), base.encode(x=x))
    chart = theme.by_architecture_and_kernel(panel, cube)
    chart = chart.resolve_scale(y="independent").add_params(theme.level_slider(cube))
    return theme.styled(
        chart,
        title="What the models remember",
        subtitle=[
            "Learned memory function (mean response by lag) in colour: median over seeds, with "
            "their range as a band. Dashed: the target.",
            *capacity_note(cube),
        ],
    )


def over_capacity(chart: Any, base: Any) -> Any:
    """Put a chart of memory functions in front of what the state holds, on a scale of its own."""
    y = alt.Y("held:Q", scale=alt.Scale(domain=[0, 1]), axis=None)
    held = base.mark_area(color=theme.HELD, interpolate="step").encode(y=y)
    return alt.layer(held, chart).resolve_scale(y="independent")


def capacity_note(cube: xr.Dataset) -> list[str]:
    """What the area behind memory functions means, as lines of a subtitle; none without it."""
    if capacity_name(cube) is None:
        return []
    return [
        "Grey: how well the input at each lag can be read from the state, linearly, from 0 (bottom "
        "edge) to 1 (top edge)."
    ]
