"""Learned memory functions over their targets: what does a model remember, lag by lag?"""

from __future__ import annotations

from typing import Any

import altair as alt
import xarray as xr

from mfbench.figures import theme
from mfbench.figures.tables import memory_table, rounded


def draw(cube: xr.Dataset) -> Any:
    """A panel per architecture and kernel, at one level that the reader chooses."""
    table = rounded(memory_table(cube), "target", "median", "low", "high", digits=3)
    levels = sorted(int(v) for v in table.level.unique())
    # Opens at a hard one of the levels that most panels have: a second pass adds to few of them.
    run = (cube.status != "absent").any(["learning_rate", "seed"])
    panels = run.sum(["architecture", "width", "kernel"])
    common = cube.level.values[panels.values == panels.values.max()].tolist()
    level = alt.param(
        name="level",
        value=common[int(0.6 * len(common))],
        bind=alt.binding_range(
            min=levels[0], max=levels[-1], step=1, name="difficulty level (0 is easiest) "
        ),
    )
    # Beyond twice the memory length there is nothing to see but zeros.
    table = table[~(table.lag > 2 * table.memory_length + 4)]
    base = alt.Chart(table).transform_filter("datum.level == level")
    x = alt.X("lag:Q", title="lag (steps)", axis=alt.Axis(tickCount=4, format="d"))
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
    note = (
        base.transform_aggregate(
            memory_length="max(memory_length)", groupby=["architecture", "kernel"]
        )
        .transform_filter("isValid(datum.memory_length)")
        .transform_calculate(label="'M99 = ' + datum.memory_length")
        .mark_text(align="right", baseline="top", fontSize=11, color="#555555")
        .encode(text="label:N", x=alt.value(146), y=alt.value(4))
    )
    chart = (
        alt.layer(band, learned, target, note)
        .properties(width=150, height=84)
        .facet(**theme.architectures_by_kernels(cube))
        .resolve_scale(y="independent")
        .add_params(level)
    )
    return theme.styled(
        chart,
        title="What the models remember",
        subtitle=[
            "Learned memory function (mean Jacobian over lag; colour: median of the seeds, band: "
            "their range) over the target's (dashed)."
        ],
    )
