"""Two cubes compared: the ratio of their errors, cell by cell."""

from __future__ import annotations

from typing import Any

import altair as alt
import numpy as np
import pandas as pd
import xarray as xr

from mfbench.figures import theme
from mfbench.figures.tables import rounded, several_widths, task_names, task_order

_LEAST = 1.0  # decades: smaller ratios do not get a larger axis


def comparison_table(comparison: xr.Dataset) -> pd.DataFrame:
    """One row per cell of `compare_cubes` that both cubes have, with ``ratio``, the error of B
    divided by that of A, and its interval ``lowest`` .. ``highest``.
    """
    table = comparison.to_dataframe(dim_order=list(comparison.differs.dims)).reset_index()
    table = table[table.log10_ratio.notna()]
    columns = {"ratio": "log10_ratio", "lowest": "low", "highest": "high"}
    return table.assign(**{new: 10.0 ** table[old] for new, old in columns.items()})


def draw(comparison: xr.Dataset) -> Any:
    """One panel per kernel and width: the ratio by memory length, with its interval.

    Parameters
    ----------
    comparison : Dataset
        Of `compare_cubes`.
    """
    table = comparison_table(comparison)
    title = "Error of B divided by that of A"
    if table.empty:
        return theme.nothing(title=title, why="No cell was trained in both cubes.")
    ends = np.abs(table[["low", "high", "log10_ratio"]].to_numpy())
    most = max(_LEAST, float(np.nanquantile(ends, 0.98)))
    scale = alt.Scale(type="log", domain=[10.0**-most, 10.0**most], clamp=True, nice=False)
    steps = (1, 2, 5) if most < 2 else (1,)
    powers = range(-int(np.ceil(most)), int(np.ceil(most)) + 1)
    axis = alt.Axis(format="~g", values=[step * 10.0**i for i in powers for step in steps])
    table = rounded(table, "ratio", "lowest", "highest", "error_a", "error_b")
    table["task"] = task_names(table)
    base = alt.Chart(table).encode(
        x=alt.X(
            "task:N",
            sort=task_order(table),
            title="effective memory length M99",
            axis=alt.Axis(labelAngle=0),
        ),
        xOffset=alt.XOffset("architecture:N", sort=comparison.architecture.values.tolist()),
        color=theme.architecture_colour(comparison),
        opacity=alt.condition("datum.differs", alt.value(1.0), alt.value(0.25)),
        tooltip=[
            *theme.tooltips("architecture", "width", "kernel", "memory_length"),
            alt.Tooltip("error_a", title="error of A", format=".3g"),
            alt.Tooltip("error_b", title="error of B", format=".3g"),
            alt.Tooltip("ratio", format=".3g"),
            alt.Tooltip("lowest", title="interval from", format=".3g"),
            alt.Tooltip("highest", title="to", format=".3g"),
        ],
    )  # fmt: skip
    y = alt.Y("lowest:Q", scale=scale, axis=axis, title="error of B / A")
    interval = base.mark_rule(strokeWidth=1.6, clip=True).encode(y=y, y2="highest:Q")
    point = base.mark_point(filled=True, size=55).encode(
        y=alt.Y("ratio:Q", scale=scale, axis=axis),
        shape=theme.architecture_shape(comparison),
    )
    same = (
        alt.Chart(table)
        .mark_rule(strokeDash=[4, 3], color=theme.QUIET)
        .encode(y=alt.YDatum(1.0, scale=scale, axis=axis))
    )
    panel = alt.layer(same, interval, point).properties(width=330, height=220)
    chart = theme.by_kernel(panel, comparison, widths=several_widths(table))
    return theme.styled(
        chart.resolve_scale(x="independent", xOffset="independent"),
        title=title,
        subtitle=[
            "Below 1, B is better. Lines: 90 % intervals over seeds.",
            "Pale: no difference beyond the noise between seeds, given the number of cells.",
        ],
    )
