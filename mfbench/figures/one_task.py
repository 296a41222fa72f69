"""A model on one task: its error beside the floor and other models, and what it remembers."""

from __future__ import annotations

from typing import Any

import altair as alt
import pandas as pd
import xarray as xr

from mfbench.cube.failure_boundaries import success_threshold
from mfbench.figures import theme
from mfbench.figures.memory_functions import capacity_note, over_capacity
from mfbench.figures.tables import error_table, largest_widths, memory_table, rounded

OWN = "tried"


def compared(cube: xr.Dataset, other: xr.Dataset | None = None) -> pd.DataFrame:
    """The rows of `error_table` of a model and of others, with names that differ.

    Parameters
    ----------
    cube : Dataset
        A cube of one cell.
    other : Dataset, optional
        A cube with one kernel and one level; each architecture counts at its largest width.

    Returns
    -------
    DataFrame
        With the columns ``model`` and ``tried``, best model first.
    """
    own = error_table(cube).assign(tried=True)
    own["model"] = own.architecture
    if other is None:
        return own
    theirs = largest_widths(error_table(other)).assign(tried=False)
    theirs["model"] = theirs.architecture
    if set(own.model) & set(theirs.model):
        own["model"] += f" ({OWN})"
    both = pd.concat([own, theirs], ignore_index=True)
    return both.sort_values("median", ignore_index=True)


def chart_of_task(cube: xr.Dataset, other: xr.Dataset | None = None) -> Any:
    """Errors of all models on the left, the memory function of the model on the right.

    Parameters
    ----------
    cube, other
        As for `compared`.
    """
    errors = rounded(compared(cube, other), "median", "low", "high", "lower_floor", "upper_floor")
    model = cube.architecture.item()
    chart = alt.hconcat(_errors(errors, success_threshold(cube)), _memory(cube), spacing=30)
    kernel, length = cube.kernel.item(), int(cube.memory_length.item())
    lines = [
        "Left: test error, median and range of the seeds. Tick: LTI floor, the error of the best "
        "known linear model of this size (may lie off the axis). Dashed: solved to its left.",
        "Right: learned memory function, median and range of the seeds. Dashed: the target.",
        *capacity_note(cube),
    ]
    return theme.styled(chart, title=f"{model} on {kernel}, M99 = {length}", subtitle=lines)


def _errors(errors: pd.DataFrame, threshold: float) -> Any:
    low, high = theme.error_domain(errors.low)
    errors["floor"] = errors.upper_floor.where(errors.upper_floor >= low)
    scale = alt.Scale(type="log", domain=[low, high], clamp=True, nice=False)
    axis = alt.Axis(format="~g", tickCount=4)

    def x(field: str) -> alt.X:
        return alt.X(field, scale=scale, axis=axis, title="relative error (1 = predicting zero)")

    base = alt.Chart(errors).encode(
        y=alt.Y("model:N", sort=errors.model.tolist(), title=None),
        color=alt.condition("datum.tried", alt.value(theme.PALETTE[0]), alt.value(theme.QUIET)),
        tooltip=theme.tooltips(
            *("model", "width", "memory_length", "median", "low", "high"),
            *("upper_floor", "state_size", "learning_rate"),
        ),
    )
    seeds = base.mark_rule(strokeWidth=2).encode(x=x("low:Q"), x2="high:Q")
    point = base.mark_point(filled=True, size=80, opacity=1).encode(x=x("median:Q"))
    floor = base.mark_tick(thickness=2, size=14, color=theme.INK).encode(
        x=x("floor:Q"), color=alt.value(theme.INK)
    )
    solved = (
        alt.Chart(pd.DataFrame({"threshold": [threshold]}))
        .mark_rule(strokeDash=[4, 3], color=theme.QUIET)
        .encode(x=x("threshold:Q"))
    )
    return alt.layer(solved, seeds, floor, point).properties(
        width=330, height=max(110, 26 * len(errors))
    )


def _memory(cube: xr.Dataset) -> Any:
    table = rounded(memory_table(cube), "target", "median", "low", "high", "held", digits=3)
    table = table[table.lag <= shown_lags(cube)]
    base = alt.Chart(table)
    x = alt.X("lag:Q", title=f"lag ({theme.steps_of_lags(cube)})", axis=alt.Axis(format="d"))
    y: dict[str, Any] = {"title": "memory function", "axis": alt.Axis(tickCount=4)}
    colour = theme.PALETTE[0]
    band = base.mark_area(opacity=0.25, color=colour).encode(
        x=x, y=alt.Y("low:Q", **y), y2="high:Q"
    )
    learned = base.mark_line(strokeWidth=2.2, color=colour).encode(x=x, y=alt.Y("median:Q", **y))
    target = base.mark_line(strokeWidth=1.4, color=theme.INK, strokeDash=[3, 2]).encode(
        x=x, y=alt.Y("target:Q", **y)
    )
    chart = over_capacity(alt.layer(band, learned, target), base.encode(x=x))
    return chart.properties(width=330, height=220)


def shown_lags(cube: xr.Dataset) -> int:
    """The last lag worth showing: beyond twice the memory length, the target is almost zero."""
    return int(2 * cube.memory_length.max() + 4)
