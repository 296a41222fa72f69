"""Distance to the optimum: is the state size the limit, or the training?"""

from __future__ import annotations

from typing import Any

import altair as alt
import numpy as np
import pandas as pd
import xarray as xr

from mfbench.cube.failure_boundaries import success_threshold
from mfbench.evaluation.optimum import RESOLVED
from mfbench.figures import theme
from mfbench.figures.optimum_tables import optimum_table
from mfbench.figures.tables import (
    has,
    largest_widths,
    rounded,
    task_names,
    task_order,
    with_every_panel,
)

SIZE, ABOVE, BELOW = "explained by the state size", "above the LTI floor", "below the LTI floor"
_COLOURS = {SIZE: "#7d8794", ABOVE: "#e8590c", BELOW: "#2b8a3e"}
_BOTTOM = float(np.log10(RESOLVED))
_TOP = 0.5  # decades; larger errors are cut off here


def draw(cube: xr.Dataset) -> Any:
    """One panel per architecture and kernel, one bar per level.

    The two parts add up on the logarithmic axis: log10 of the relative error is the approximation
    part plus the optimisation part. Floors and errors below 1e-6 count as 1e-6, because training
    in float32 cannot resolve them.
    """
    title = "Too small, or not learned?"
    if not has(cube, "approximation_part", "optimisation_part"):
        return theme.nothing(title=title, why="This cube has no floors.")
    bars = _bars(cube)
    label = "datum.value < -3 ? '1e' + datum.value : format(pow(10, datum.value), '~g')"
    axis = alt.Axis(values=[-6, -4, -2, 0], labelExpr=label)
    scale = alt.Scale(domain=[_BOTTOM, _TOP], nice=False)
    success = success_threshold(cube)
    base = theme.by_task(bars, task_order(bars))
    bar = base.mark_bar(clip=True).encode(
        y=alt.Y("from:Q", scale=scale, axis=axis, title=None),
        y2="to:Q",
        color=alt.Color(
            "limit:N",
            scale=alt.Scale(domain=list(_COLOURS), range=list(_COLOURS.values())),
            sort=list(_COLOURS),
            title=None,
            legend=alt.Legend(orient="top"),
        ),
        opacity=alt.condition("datum.solved", alt.value(0.45), alt.value(1.0)),
        tooltip=[
            *theme.tooltips("architecture", "kernel", "memory_length", "median"),
            *theme.tooltips("upper_floor", "state_size"),
            alt.Tooltip("optimisation", title="decades above the floor", format=".2f"),
        ],
    )
    solved = base.mark_rule(strokeDash=[4, 3], color=theme.INK).encode(
        x=alt.X(), y=alt.YDatum(np.log10(success), axis=axis, scale=scale, title=None)
    )
    chart = theme.by_architecture_and_kernel(alt.layer(bar, solved), cube)
    return theme.styled(
        chart.resolve_scale(x="independent"),
        title=title,
        subtitle=[
            f"Relative error (log scale) by M99 ({theme.steps_of_lags(cube)}). Grey: up to the LTI "
            "floor, the error of the best known linear model of this state size and receptive "
            "field.",
            *theme.floor_note(cube),
            "Orange: above the floor, because of training or the form of the architecture. Green: "
            "below the floor, which only nonlinear or time-varying models can reach.",
            "Pale: solved (below the dashed line). Floors of 0 count as 1e-6. Medians over "
            "seeds; if the median seed diverged, the bar reaches the top.",
        ],
    )


def _bars(cube: xr.Dataset) -> pd.DataFrame:
    """One row per piece of a bar, with its ends in decades."""
    table = largest_widths(optimum_table(cube))
    error, floor = table.error.clip(_BOTTOM, _TOP), table.floor
    kept = ["architecture", "kernel", "level", "memory_length", "state_size", "solved"]
    bar = table[[*kept, "median", "upper_floor", "optimisation"]].assign(task=task_names(table))
    pieces = [
        bar.assign(limit=SIZE, **{"from": _BOTTOM, "to": np.minimum(error, floor)}),
        bar.assign(limit=ABOVE, **{"from": floor, "to": error})[error > floor],
        bar.assign(limit=BELOW, **{"from": error, "to": floor})[error < floor],
    ]
    bars = with_every_panel(cube, pd.concat(pieces, ignore_index=True))
    return rounded(bars, "from", "to", "optimisation", "median", "upper_floor")
