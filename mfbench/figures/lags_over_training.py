"""When each lag is learned: short memory first?"""

from __future__ import annotations

from typing import Any

import altair as alt
import numpy as np
import pandas as pd
import xarray as xr

from mfbench.figures import theme
from mfbench.figures.lag_table import CLOSE, NEEDED, RELEVANT, lag_table
from mfbench.figures.tables import has


def draw(cube: xr.Dataset) -> Any:
    """One panel per architecture and kernel, at a level that the reader chooses."""
    title = "When each lag is learned"
    if not has(cube, *NEEDED):
        why = "The study does not record memory functions over training (training.memory_probes)."
        return theme.nothing(title=title, why=why)
    last = int(cube.step.max())
    never = 1.7 * last  # above all steps
    table = _placed(lag_table(cube), never)
    base = alt.Chart(table).transform_filter("datum.level == level")
    x = alt.X(
        "lag:Q",
        title=f"lag ({theme.steps_of_lags(cube)})",
        scale=alt.Scale(padding=5),
        axis=alt.Axis(tickCount=4, format="d"),
    )
    y: dict[str, Any] = {
        "title": None,
        "scale": alt.Scale(type="log", domain=[int(cube.step.min()), never * 1.3], nice=False),
        "axis": alt.Axis(values=[10**i for i in range(8) if 10**i <= last], format="~s"),
    }
    colour = theme.architecture_colour(cube, legend=None)
    seeds = base.mark_rule(opacity=0.35, strokeWidth=2).encode(
        x=x, y=alt.Y("low:Q", **y), y2="high:Q", color=colour
    )
    tooltip = ["architecture", "kernel", "lag", alt.Tooltip("text", title="learned from step")]
    marks = [
        base.transform_filter(f"datum.learned === {learned}")
        .mark_point(shape=shape, filled=filled, size=size, opacity=1, strokeWidth=1.2)
        .encode(x=x, y=alt.Y("median:Q", **y), color=colour, tooltip=tooltip)
        for learned, shape, filled, size in (
            ("true", "circle", True, 22),
            ("false", "triangle-up", False, 28),
        )
    ]
    note = theme.memory_length_note(base, by=["architecture", "kernel"], right=146)
    note = note.encode(y=alt.value(74))
    chart = theme.by_architecture_and_kernel(alt.layer(seeds, *marks, note), cube)
    chart = chart.add_params(theme.level_slider(cube))
    return theme.styled(
        chart,
        title=title,
        subtitle=[
            f"Validated step (log scale) from which the learned memory function stays within "
            f"{CLOSE:.0%} of the target at a lag. Point: median over seeds; line: their range.",
            f"Open triangles at the top: not learned by the end (step {last}). Shown are lags with "
            f"at least {RELEVANT:.0%} of the energy of the strongest lag.",
        ],
    )


def _placed(table: pd.DataFrame, never: float) -> pd.DataFrame:
    """Replace infinite steps by `never`, above all steps: JSON has no infinity."""
    learned = np.isfinite(table["median"])
    text = [f"{v:.0f}" if ok else "never" for v, ok in zip(table["median"], learned, strict=True)]
    steps = table[["median", "low", "high"]].replace(np.inf, round(never, 1))
    return table.assign(learned=learned, text=text, **steps)
