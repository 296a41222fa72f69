"""Relative error by effective memory length: where does each architecture break down?"""

from __future__ import annotations

from typing import Any

import altair as alt
import pandas as pd
import xarray as xr

from mfbench.cube.select import failed
from mfbench.figures import theme
from mfbench.figures.tables import BASELINES, error_table, has, rounded, several_widths
from mfbench.words import counted


def draw(cube: xr.Dataset) -> Any:
    """One panel per kernel (and width): median over seeds, with their range as a band.

    The floor of each curve is drawn too, except below the bottom of the axis.
    """
    table = rounded(error_table(cube), "median", "low", "high")
    domain = theme.error_domain(table["low"])
    baselines = [name for name in BASELINES if has(cube, name)]
    table = rounded(_with_visible_floors(table, domain[0]), *_FLOOR, *baselines, digits=3)
    chosen = alt.selection_point(fields=["architecture"], bind="legend", name="chosen")

    def faded(shown: float, hidden: float) -> Any:
        return alt.condition(chosen, alt.value(shown), alt.value(hidden))

    base = alt.Chart(table).encode(
        x=theme.memory_length_axis(cube, table.memory_length.astype(int).tolist()),
        color=theme.architecture_colour(cube),
        opacity=faded(1.0, 0.12),
    )
    title = "relative error (1 = predicting zero)"

    def y(field: str) -> alt.Y:
        return theme.error_axis(f"{field}:Q", domain, title)

    tooltip = theme.tooltips(
        *("architecture", "width", "kernel", "memory_length", "rho", "median", "low", "high"),
        *("lower_floor", "upper_floor", "state_size", "learning_rate", "diverged"),
        *baselines,
    )
    floor_band = base.mark_area(line=False).encode(
        y=y("floor_low"), y2="floor_high:Q", opacity=faded(0.13, 0.0)
    )
    floor_line = base.mark_line(strokeWidth=1.3, strokeDash=[2, 3]).encode(
        y=y("floor_high"), opacity=faded(0.9, 0.05)
    )
    # A floor that is visible at a single level makes no line, so draw ticks as well.
    floor_tick = base.mark_tick(orient="horizontal", size=13, thickness=1.6).encode(
        y=y("floor_high"), opacity=faded(0.9, 0.05), tooltip=tooltip
    )
    band = base.mark_area(line=False).encode(y=y("low"), y2="high:Q", opacity=faded(0.16, 0.02))
    line = base.mark_line(strokeWidth=2.4).encode(y=y("median"))
    point = base.mark_point(filled=True, size=62).encode(
        y=y("median"), shape=theme.architecture_shape(cube), tooltip=tooltip
    )
    zero = base.mark_rule(strokeDash=[4, 3], color=theme.QUIET).encode(
        x=alt.X(), y=alt.datum(1.0), color=alt.value(theme.QUIET), opacity=alt.value(1.0)
    )
    floors = [floor_band, floor_line, floor_tick]
    panel = alt.layer(zero, *floors, band, line, point.add_params(chosen))
    panel = panel.properties(width=330, height=250)
    chart = theme.by_kernel(panel, cube, widths=several_widths(table))
    return theme.styled(
        chart.resolve_axis(x="independent", y="independent"),
        title="Where memory breaks down",
        subtitle=_subtitle(table, cube),
    )


_FLOOR = ("lower_floor", "upper_floor", "floor_low", "floor_high")


def _with_visible_floors(table: pd.DataFrame, bottom: float) -> pd.DataFrame:
    """Add the ends of the floor bands, cut off at the bottom of the axis, NaN if entirely below."""
    visible = table.upper_floor > bottom
    return table.assign(
        floor_low=table.lower_floor.clip(lower=bottom).where(visible),
        floor_high=table.upper_floor.where(visible),
    )


def _subtitle(table: pd.DataFrame, cube: xr.Dataset) -> list[str]:
    seeds = counted(cube.sizes["seed"], "seed")
    lines = [
        f"Test error at the learning rate that validation selects: median of {seeds}; the "
        "band spans the best to the worst seed.",
        "Dashed grey: predicting zero. Click an architecture in the legend to highlight it.",
    ]
    if has(cube, "upper_floor"):
        lines += [
            "Dotted, in the architecture's colour: its LTI floor, the error of the best linear "
            "model we know with the same state size and receptive field.",
            "Shaded below it: down to a bound that no linear time-invariant model beats. Other "
            "models can lie below. Floors below the axis are not shown.",
            *theme.floor_note(cube),
        ]
        zero = (table.upper_floor == 0).groupby(table.architecture).all()
        none = [name for name in cube.architecture.values if zero.get(name, False)]
        if none:
            lines.append(
                f"Floor of 0 on all tasks (the state can hold them, or has no fixed size): "
                f"{', '.join(none)}."
            )
    if table.diverged.sum():
        lines.append(
            f"{int(table.diverged.sum())} of {int(table.members.sum())} members diverged and count "
            "as infinite errors; an infinite median leaves a gap."
        )
    if count := int(failed(cube).sum()):
        lines.append(f"Cells without a point because their model's code broke: {count}.")
    return lines
