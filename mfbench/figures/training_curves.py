"""Validation error over training: which models still learn, which are stuck?"""

from __future__ import annotations

from typing import Any

import altair as alt
import xarray as xr

from mfbench.figures import theme
from mfbench.figures.tables import curve_table, rounded


def draw(cube: xr.Dataset) -> Any:
    """One panel per architecture and kernel, one line per level."""
    table = rounded(curve_table(cube), "median", "low", "high", digits=3)
    domain = theme.error_domain(table["median"])
    lengths = sorted({int(v) for v in table.memory_length.dropna()}) or [1]
    panel = (
        alt.Chart(table)
        .mark_line(strokeWidth=1.8)
        .encode(
            x=alt.X(
                "step:Q",
                scale=alt.Scale(type="log"),
                axis=alt.Axis(values=[10**i for i in range(8)], format="~s"),
                title="optimiser step",
            ),
            y=theme.error_axis("median:Q", domain, None),
            color=alt.Color(
                "memory_length:Q",
                scale=alt.Scale(
                    type="log", scheme="plasma", domain=[lengths[0], lengths[-1] * 1.6]
                ),
                legend=alt.Legend(values=lengths, type="symbol", symbolType="stroke"),
                title=f"M99 ({theme.steps_of_lags(cube)})",
            ),
            detail="level:N",
            tooltip=["architecture", "kernel", "memory_length", "step", "median", "low", "high"],
        )
    )
    return theme.styled(
        theme.by_architecture_and_kernel(panel, cube, height=96),
        title="How they learn",
        subtitle=["Relative validation error over training, median over seeds."],
    )
