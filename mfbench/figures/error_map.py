"""Heat map of architectures by levels: the whole study at a glance."""

from __future__ import annotations

from typing import Any

import altair as alt
import numpy as np
import pandas as pd
import xarray as xr

from mfbench.cube.causes import CAUSES
from mfbench.figures import theme
from mfbench.figures.tables import (
    BASELINES,
    cause_table,
    error_table,
    failed_table,
    has,
    model_names,
    resolved_error,
    ridge_table,
    rounded,
    short_error,
    task_names,
)
from mfbench.words import counted

# By cause, in the order of CAUSES.
_RIDGE = "ridge regression"
_NOTE = "Last row: ridge regression on a window of the input, chosen on the validation split."
_MARKS = ("square", "triangle-up", "diamond", "triangle-right", "circle", "cross", "triangle-down")


def draw(cube: xr.Dataset) -> Any:
    """One map per kernel: colour and number show the median relative error."""
    baselines = [name for name in BASELINES if has(cube, name)]
    table = rounded(error_table(cube), "median", "low", "high", *baselines, digits=3)
    table["text"] = [short_error(v) for v in table["median"]]
    table = pd.concat([table, failed_table(cube).assign(text="failed")], ignore_index=True)
    keys = ["architecture", "width", "kernel", "level"]
    causes = cause_table(cube).drop(columns="memory_length")
    table = table.merge(causes, "left", on=keys)
    names = [*cube.architecture.values.tolist(), _RIDGE]
    table["label"] = model_names(table)
    ridge = ridge_table(cube).rename(columns={"ridge_error": "median"})
    ridge = rounded(ridge.assign(architecture=_RIDGE, label=_RIDGE), "median", digits=3)
    ridge["text"] = [resolved_error(v) for v in ridge["median"]]
    table = pd.concat([table, ridge], ignore_index=True) if len(ridge) else table
    order = table.sort_values(
        ["architecture", "width"],
        key=lambda c: c.map(names.index) if c.name == "architecture" else c,
    ).label.unique()
    table["task"] = task_names(table)
    table["decade"] = np.log10(table["median"].astype(float).clip(lower=1e-12))
    base = alt.Chart(table).encode(
        x=alt.X(
            "task:N",
            sort=alt.EncodingSortField("level"),
            title=f"effective memory length M99 ({theme.steps_of_lags(cube)})",
            axis=alt.Axis(labelAngle=0),
        ),
        y=alt.Y("label:N", sort=list(order), title=None),
    )
    square = base.mark_rect(stroke="white", strokeWidth=1.5).encode(
        color=alt.Color(
            "decade:Q",
            scale=alt.Scale(scheme="viridis", reverse=True, domain=[-4, 0], clamp=True),
            title="relative error",
            legend=alt.Legend(
                values=[-4, -3, -2, -1, 0],
                labelExpr="(datum.value == -4 ? '≤ ' : '') + format(pow(10, datum.value), '~g')",
                gradientLength=220,
            ),
        ),
        tooltip=theme.tooltips(
            *("architecture", "width", "kernel", "memory_length", "rho", "median"),
            *("diverged", "cause", "evidence"),
            *baselines,
        ),
    )
    shown = [cause for cause in CAUSES if cause in set(causes.cause)]
    mark = (
        base.transform_filter("isValid(datum.cause)")
        .mark_point(xOffset=20, yOffset=-9, filled=True, size=38, opacity=1, color="#F0E442")
        .encode(
            shape=alt.Shape(
                "cause:N",
                scale=alt.Scale(domain=shown, range=[_MARKS[CAUSES.index(c)] for c in shown]),
                title="not solved because",
            )
        )
    )
    text = base.mark_text(fontSize=12).encode(
        text="text:N",
        color=alt.condition(
            "isValid(datum.decade) && datum.decade > -1.6", alt.value("white"), alt.value("#111111")
        ),
    )
    layers = [square, text, mark] if shown else [square, text]
    marked = "A yellow mark: why the task is not solved (the report has the evidence)."
    cell = alt.layer(*layers).properties(width=alt.Step(54), height=alt.Step(30))
    return theme.styled(
        theme.by_kernel(cell, cube).resolve_scale(x="independent"),
        title="Relative error of every architecture on every task",
        subtitle=[
            f"Median of {counted(cube.sizes['seed'], 'seed')} on the test split; 1 means "
            "predicting zero. Dark: large error.",
            *([marked] if shown else []),
            *([_NOTE] if len(ridge) else []),
        ],
    )
