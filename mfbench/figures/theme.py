"""The look of all figures: readable from the back row, one colour per architecture."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

import altair as alt
import numpy as np
import pandas as pd
import xarray as xr

from mfbench.cube.select import trained

# Okabe & Ito (2008) without black (the target) and yellow (unreadable on white), then Paul Tol's
# muted scheme: distinguishable with the common forms of colour blindness.
PALETTE = (
    *("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00"),
    *("#882255", "#999933", "#332288", "#44AA99", "#AA4499", "#117733", "#DDCC77", "#661100"),
)
SHAPES = ("circle", "square", "triangle-up", "diamond", "cross", "triangle-down", "triangle-right")
INK, QUIET, HELD = "#222222", "#9a9a9a", "#ebebeb"


def architecture_colours(cube: xr.Dataset) -> dict[str, str]:
    """The colour of each architecture, in the order of the study."""
    names = cube.architecture.values.tolist()
    return dict(zip(names, _cycled(PALETTE, len(names)), strict=True))


def architecture_colour(cube: xr.Dataset, **options: Any) -> alt.Color:
    """The colour channel of architectures."""
    colours = architecture_colours(cube)
    scale = alt.Scale(domain=list(colours), range=list(colours.values()))
    return alt.Color("architecture:N", scale=scale, title="architecture", **options)


def architecture_shape(cube: xr.Dataset) -> alt.Shape:
    """The shape channel of architectures, in addition to the colour."""
    names = cube.architecture.values.tolist()
    scale = alt.Scale(domain=names, range=_cycled(SHAPES, len(names)))
    return alt.Shape("architecture:N", scale=scale, title="architecture")


def error_axis(field: str, domain: tuple[float, float], title: str | None) -> alt.Y:
    """A logarithmic axis for relative errors with powers of ten as ticks."""
    decades = range(int(np.ceil(np.log10(domain[0]))), int(np.floor(np.log10(domain[1]))) + 1)
    axis = alt.Axis(values=[10.0**i for i in decades], format="~g")
    scale = alt.Scale(type="log", domain=list(domain), clamp=True, nice=False)
    return alt.Y(field, scale=scale, axis=axis, title=title)


def error_domain(errors: Iterable[float]) -> tuple[float, float]:
    """From below the smallest error (0.001 or less) to above 1, the error of predicting zero.

    Ignores errors that are not finite; errors below 1e-12 count as 1e-12 (rounding).
    """
    smallest = min((e for e in errors if e is not None and np.isfinite(e)), default=1e-3)
    return min(1e-3, max(smallest, 1e-12)) / 1.5, 2.0


def memory_length_domain(values: Sequence[int]) -> tuple[float, float]:
    """From just below the shortest memory length to just above the longest."""
    return min(values) / 1.12, max(values) * 1.12


def steps_of_lags(cube: xr.Dataset) -> str:
    """What lags count: steps, or marked steps."""
    clock = json.loads(cube.attrs["settings"]).get("task", {}).get("clock")
    return "marked steps" if clock == "marked" else "steps"


def floor_note(cube: xr.Dataset) -> list[str]:
    """What floors mean in a marked task, as lines of a subtitle."""
    if "linear_floor" not in cube:
        return []
    return [
        "Marked inputs: the floor of a nonlinear model is the error of the best linear system that "
        "is told the marks."
    ]


def memory_length_axis(
    cube: xr.Dataset, values: Sequence[int], field: str = "memory_length:Q"
) -> alt.X:
    """A logarithmic axis for M99 with ticks at the levels."""
    domain = list(memory_length_domain(values))
    return alt.X(
        field,
        scale=alt.Scale(type="log", base=2, domain=domain, nice=False),
        axis=alt.Axis(values=sorted(set(values)), format="d", labelOverlap="greedy"),
        title=f"effective memory length M99 ({steps_of_lags(cube)})",
    )


def lengths_of(cube: xr.Dataset) -> list[int]:
    """The M99 of all levels, each once."""
    return sorted({int(m) for m in cube.memory_length.values.ravel() if np.isfinite(m)})


def boundary_axis(cube: xr.Dataset) -> alt.Y:
    """A vertical axis for failure boundaries with ticks at the levels."""
    lengths = lengths_of(cube)
    domain = [lengths[0], lengths[-1]]
    return alt.Y(
        "at:Q",
        scale=alt.Scale(type="log", base=2, domain=domain, nice=False, padding=12),
        axis=alt.Axis(values=lengths),
        title=f"M99 at the boundary ({steps_of_lags(cube)})",
    )


def boundary_points(
    base: Any, outside: dict[str, str], *, sizes: tuple[int, int] = (70, 80), **channels: Any
) -> list[Any]:
    """Points at boundaries within the levels, and open marks at boundaries outside them.

    `outside` maps a condition on `censored`, such as ``== 'below'``, to a shape; `sizes` are the
    sizes of points and open marks.
    """
    inside = base.transform_filter("datum.censored == 'none'").mark_point(
        filled=True, size=sizes[0], opacity=1
    )
    beyond = [
        base.transform_filter(f"datum.censored {which}").mark_point(
            fill="white", shape=shape, size=sizes[1], opacity=1, strokeWidth=2
        )
        for which, shape in outside.items()
    ]
    return [marks.encode(**channels) for marks in (inside, *beyond)]


# Title and format of a column where a reader points at a mark.
_TOOLTIPS: dict[str, dict[str, Any]] = {
    "memory_length": {"title": "M99"},
    "rho": {"format": ".4g"},
    "median": {"title": "relative error", "format": ".3g"},
    "low": {"title": "best seed", "format": ".3g"},
    "high": {"title": "worst seed", "format": ".3g"},
    "lower_floor": {"title": "lower bound, linear models of this size", "format": ".3g"},
    "upper_floor": {"title": "LTI floor", "format": ".3g"},
    "linear_system_error": {"title": "linear system of this size, on test", "format": ".3g"},
    "ridge_error": {"title": "ridge regression", "format": ".3g"},
    "ridge_window": {"title": "its window"},
    "state_size": {"title": "state size"},
    "learning_rate": {"title": "learning rate"},
    "diverged": {"title": "diverged members"},
    "cause": {"title": "not solved because"},
}


def tooltips(*columns: str) -> list[alt.Tooltip]:
    """What a reader sees who points at a mark."""
    return [alt.Tooltip(column, **_TOOLTIPS.get(column, {})) for column in columns]


def by_kernel(panel: Any, cube: xr.Dataset, *, widths: bool = False) -> Any:
    """One panel per kernel, or per kernel and width if there are several widths."""
    kernels = cube.kernel.values.tolist()
    if widths:
        column = alt.Column("kernel:N", sort=kernels, title=None)
        return panel.facet(row=alt.Row("width:O", title="width"), column=column)
    return panel.facet(facet=alt.Facet("kernel:N", sort=kernels, title=None), columns=2)


def by_architecture_and_kernel(panel: Any, cube: xr.Dataset, *, height: int = 84) -> Any:
    """A grid of small panels: one row per architecture, one column per kernel."""
    return panel.properties(width=150, height=height).facet(
        row=alt.Row(
            "architecture:N",
            sort=cube.architecture.values.tolist(),
            title=None,
            header=alt.Header(labelAngle=0, labelAlign="left"),
        ),
        column=alt.Column("kernel:N", sort=cube.kernel.values.tolist(), title=None),
        spacing=10,
    )


def by_task(table: pd.DataFrame, order: list[str]) -> Any:
    """A chart over the tasks of a panel, from easy to hard; an empty panel has one empty row."""
    x = alt.X("task:N", sort=order, title=None, axis=alt.Axis(labelAngle=0))
    return alt.Chart(table).transform_filter("isValid(datum.task)").encode(x=x)


def level_slider(cube: xr.Dataset) -> Any:
    """The parameter `level`, by which a reader chooses the difficulty of all panels.

    It starts at a hard level that most panels have, because later phases add levels to only a few.
    """
    run = trained(cube).any(["learning_rate", "seed"])
    panels = run.sum(["architecture", "width", "kernel"])
    levels = cube.level.values.tolist()
    common = cube.level.values[panels.values == panels.values.max()].tolist()
    return alt.param(
        name="level",
        value=common[int(0.6 * len(common))],
        bind=alt.binding_range(
            min=levels[0], max=levels[-1], step=1, name="difficulty level (0 is easiest) "
        ),
    )


def memory_length_note(base: Any, *, by: list[str], right: int) -> Any:
    """A note with M99 at the chosen level, in the upper right corner of each panel."""
    return (
        base.transform_aggregate(memory_length="max(memory_length)", groupby=by)
        .transform_filter("isValid(datum.memory_length)")
        .transform_calculate(label="'M99 = ' + datum.memory_length")
        .mark_text(align="right", baseline="top", fontSize=11, color="#555555")
        .encode(text="label:N", x=alt.value(right), y=alt.value(4))
    )


def nothing(*, title: str, why: str) -> Any:
    """A placeholder for a figure without data."""
    chart = alt.Chart(pd.DataFrame({"nothing": [0]})).mark_text(fontSize=14, color=QUIET)
    return styled(
        chart.encode(text=alt.value("nothing to show")).properties(width=330, height=60),
        title=title,
        subtitle=why,
    )


def styled(chart: Any, *, title: str, subtitle: str | list[str]) -> Any:
    """Give a chart its title and the look of mfbench."""
    heading = alt.TitleParams(
        title, subtitle=subtitle, anchor="start", fontSize=17, subtitleFontSize=12.5,
        subtitleColor="#555555", offset=14, subtitlePadding=4,
    )  # fmt: skip
    # Set all at once, because each method of a chart copies it.
    look = alt.Config(
        font="Helvetica Neue, Helvetica, Arial, Liberation Sans, sans-serif",
        background="white",
        padding=12,
        axis=alt.AxisConfig(
            labelFontSize=12, titleFontSize=13, titleFontWeight="normal", titleColor=INK,
            labelColor="#444444", gridColor="#e9e9e9", domainColor="#888888", tickColor="#888888",
        ),
        header=alt.HeaderConfig(
            labelFontSize=13, labelFontWeight="bold", titleFontSize=13, labelColor=INK,
            titleFontWeight="normal",
        ),
        legend=alt.LegendConfig(
            labelFontSize=13, titleFontSize=13, symbolSize=110, titleFontWeight="normal",
            symbolStrokeWidth=2.5, labelLimit=240, symbolOpacity=1,
        ),
        view=alt.ViewConfig(stroke="#cfcfcf"),
    )  # fmt: skip
    return chart.properties(title=heading, config=look)


def _cycled(values: Sequence[str], count: int) -> list[str]:
    return [values[i % len(values)] for i in range(count)]
