"""Relative error against effective memory length: where does each architecture break down?"""

from __future__ import annotations

from typing import Any

import altair as alt
import pandas as pd
import xarray as xr

from mfbench.figures import theme
from mfbench.figures.tables import error_table, rounded


def draw(cube: xr.Dataset) -> Any:
    """A panel per kernel (and width): median over seeds, with the range of the seeds as a band."""
    table = rounded(error_table(cube), "median", "low", "high")
    domain = theme.error_domain(table["low"])
    kernels = cube.kernel.values.tolist()
    chosen = alt.selection_point(fields=["architecture"], bind="legend", name="chosen")
    base = alt.Chart(table).encode(
        x=theme.memory_length_axis(table.memory_length.astype(int).tolist()),
        color=theme.architecture_colour(cube),
        opacity=alt.condition(chosen, alt.value(1.0), alt.value(0.12)),
    )
    title = "relative error (1 = predicting zero)"
    band = base.mark_area(opacity=0.16, line=False).encode(
        y=theme.error_axis("low:Q", domain, title),
        y2="high:Q",
        opacity=alt.condition(chosen, alt.value(0.16), alt.value(0.02)),
    )
    line = base.mark_line(strokeWidth=2.4).encode(y=theme.error_axis("median:Q", domain, title))
    point = base.mark_point(filled=True, size=62, opacity=1).encode(
        y=theme.error_axis("median:Q", domain, title),
        shape=theme.architecture_shape(cube),
        tooltip=[
            "architecture", "width", "kernel",
            alt.Tooltip("memory_length", title="M99"),
            alt.Tooltip("rho", format=".4g"),
            alt.Tooltip("median", title="relative error", format=".3g"),
            alt.Tooltip("low", title="best seed", format=".3g"),
            alt.Tooltip("high", title="worst seed", format=".3g"),
            alt.Tooltip("learning_rate", title="learning rate", format=".2g"),
            alt.Tooltip("diverged", title="diverged members"),
        ],
    )  # fmt: skip
    zero = base.mark_rule(strokeDash=[4, 3], color=theme.QUIET).encode(
        x=alt.X(), y=alt.datum(1.0), color=alt.value(theme.QUIET), opacity=alt.value(1.0)
    )
    panel = alt.layer(zero, band, line, point.add_params(chosen)).properties(width=330, height=250)
    if len(set(table.width)) > 1:
        column = alt.Column("kernel:N", sort=kernels, title=None)
        chart: Any = panel.facet(row=alt.Row("width:O", title="width"), column=column)
    else:
        chart = panel.facet(facet=alt.Facet("kernel:N", sort=kernels, title=None), columns=2)
    return theme.styled(
        chart.resolve_axis(x="independent", y="independent"),
        title="Where memory breaks down",
        subtitle=_subtitle(table, cube),
    )


def _subtitle(table: pd.DataFrame, cube: xr.Dataset) -> list[str]:
    seeds = cube.sizes["seed"]
    lines = [
        f"Test error at the learning rate that validation selects: median of {seeds} seeds, "
        "band from the best to the worst seed.",
        "Dashed: the zero predictor. Click on an architecture in the legend to single it out.",
    ]
    if table.diverged.sum():
        lines.append(
            f"{int(table.diverged.sum())} of {int(table.members.sum())} members diverged; they "
            "count as infinitely bad, and a median that is infinite leaves a gap."
        )
    return lines
