"""What the error is made of: a wrong memory function, or no fixed one at all?"""

from __future__ import annotations

from typing import Any

import altair as alt
import xarray as xr

from mfbench.cube.failure_boundaries import success_threshold
from mfbench.figures import theme
from mfbench.figures.optimum_tables import PARTS, part_table
from mfbench.figures.tables import has, rounded, short_error, task_order

_COLOURS = ("#4C78A8", "#F2A541", "#8C564B", "#B07AA1")


def draw(cube: xr.Dataset) -> Any:
    """One panel per architecture and kernel, one bar per level.

    Bars show shares of the error, with the error itself as a number on top. Errors span six
    decades: on a linear axis most bars would vanish, and on a logarithmic one parts do not stack.
    A tick marks the LTI floor as a share of the error.
    """
    title = "What the error is made of"
    if not has(cube, *PARTS, "upper_floor"):
        return theme.nothing(title=title, why="This cube has no parts of the error.")
    table = part_table(cube)
    # If half of the seeds diverged, the median is null, which Vega would read as 0.
    solved = f"isValid(datum.median) && datum.median < {success_threshold(cube)}"
    table["text"] = [short_error(error) for error in table["median"]]
    table["order"] = table.part.map(list(PARTS.values()).index, na_action="ignore")
    table = rounded(
        table, "median", "total", "upper_floor", "floor_share", "value", "share", digits=3
    )
    base = theme.by_task(table, task_order(table))
    scale = alt.Scale(domain=[0, 1.2], nice=False)
    axis = alt.Axis(values=[0, 0.5, 1], format="%")
    bar = base.mark_bar().encode(
        y=alt.Y("share:Q", stack="zero", scale=scale, axis=axis, title=None),
        color=alt.Color(
            "part:N",
            scale=alt.Scale(domain=list(PARTS.values()), range=_COLOURS),
            title=None,
            legend=alt.Legend(orient="top"),
        ),
        order="order:Q",
        opacity=alt.condition(solved, alt.value(0.4), alt.value(1.0)),
        tooltip=[
            *theme.tooltips("architecture", "kernel", "part", "memory_length"),
            alt.Tooltip("value", title="median of this part", format=".2g"),
            alt.Tooltip("share", format=".0%"),
            alt.Tooltip("median", title="relative error, all seeds", format=".3g"),
            alt.Tooltip("upper_floor", title="LTI floor", format=".3g"),
            alt.Tooltip("seeds", title="seeds that did not diverge"),
        ],
    )  # fmt: skip
    # Only one of the four rows of a task draws its tick and number.
    once = base.transform_filter("datum.order === 0")
    tick = once.mark_tick(orient="horizontal", thickness=2.5, color=theme.INK).encode(
        y=alt.Y("floor_share:Q", scale=scale)
    )
    number = once.mark_text(baseline="bottom", dy=-1, fontSize=10, color=theme.INK).encode(
        y=alt.datum(1.0), text="text:N"
    )
    chart = theme.by_architecture_and_kernel(alt.layer(bar, tick, number), cube)
    return theme.styled(
        chart.resolve_scale(x="independent"),
        title=title,
        subtitle=[
            f"Shares of the error by M99 ({theme.steps_of_lags(cube)}), with the relative error on "
            "top; pale: solved. Medians over seeds that did not diverge; negative estimates are "
            "drawn as 0.",
            "Black tick: the LTI floor, the error of the best linear model we know of this size. "
            "Below the tick: explained by the state size. Above: not.",
            "Tick at the bottom: the floor is 0. Tick at the top: the error equals the floor or, "
            "for nonlinear or time-varying models, lies below it.",
            *theme.floor_note(cube),
        ],
    )
