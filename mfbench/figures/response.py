"""How the error responds to a change after training, one line per architecture."""

from __future__ import annotations

from typing import Any

import altair as alt
import numpy as np
import pandas as pd
import xarray as xr

from mfbench.cube.select import selected
from mfbench.figures import theme
from mfbench.figures.tables import largest_widths, over_seeds, rounded

_HIGHEST = 100.0  # largest relative error on the axis


def response_table(cube: xr.Dataset, name: str, *, trained_at: float) -> pd.DataFrame:
    """One row per (architecture at its largest width, kernel, level, change).

    Parameters
    ----------
    cube : Dataset
        A benchmark cube.
    name : str
        Variable with one more dimension, the change.
    trained_at : float
        The change at which the model is as trained; relative_mse is used there unless the
        variable has a value.

    Returns
    -------
    DataFrame
        Columns: ``change``; ``median``, ``low`` and ``high`` over seeds at the selected learning
        rate, infinite if a member diverged or its output is not finite. Models that were not
        trained or cannot be run have no row.
    """
    best = selected(cube[["status", "selected_learning_rate", "relative_mse", name]])
    error = best[name]
    (dim,) = set(map(str, error.dims)) - set(map(str, best.relative_mse.dims))
    if trained_at not in error[dim].values:
        trained = best.relative_mse.expand_dims({dim: [trained_at]})
        error = xr.concat([trained, error], dim=dim, coords="minimal", join="outer")
    # A diverged member has an infinite error, but only where other members could be run.
    could = error.count(["kernel", "level", "seed"]) > 0
    error = error.where(~((best.status == "diverged") & could), np.inf)
    table = xr.Dataset(over_seeds(error)).to_dataframe().dropna(subset="median").reset_index()
    table = largest_widths(table.rename(columns={dim: "change"}))
    kept = ["architecture", "kernel", "level", "memory_length", "change", "median", "low", "high"]
    return table[kept]


def draw_response(
    cube: xr.Dataset,
    table: pd.DataFrame,
    *,
    label: str,
    axis: str,
    title: str,
    subtitle: list[str],
) -> Any:
    """One panel per kernel, one line per architecture, at a level that the reader chooses.

    Parameters
    ----------
    table : DataFrame
        The output of `response_table`.
    label : str
        Vega expression that turns ``datum.value`` into the label of a change.
    axis, title, subtitle : str
        Title of the axis of changes; title and subtitle of the figure.
    """
    finite = table["median"][np.isfinite(table["median"])]
    low, high = theme.error_domain(finite)
    high = float(np.clip(1.3 * finite.max(), high, _HIGHEST)) if len(finite) else high
    beyond = table["median"] > high
    table = table.assign(
        at=table["median"].clip(upper=high),
        text=[
            f"{median:.3g} ({low:.3g} to {high:.3g})"
            for median, low, high in table[["median", "low", "high"]].itertuples(index=False)
        ],
    )
    table = rounded(table, "at").drop(columns=["median", "low", "high"])
    chosen = alt.selection_point(fields=["architecture"], bind="legend", name="chosen")
    base = alt.Chart(table).transform_filter("datum.level == level")
    base = base.encode(
        x=alt.X("change:O", title=axis, axis=alt.Axis(labelAngle=0, labelExpr=label)),
        y=theme.error_axis("at:Q", (low, high), "relative error"),
        color=theme.architecture_colour(cube),
        opacity=alt.condition(chosen, alt.value(1.0), alt.value(0.12)),
    )
    zero = base.mark_rule(strokeDash=[4, 3]).encode(
        x=alt.X(), y=alt.datum(1.0), color=alt.value(theme.QUIET), opacity=alt.value(1.0)
    )
    line = base.mark_line(strokeWidth=2.2)
    point = base.mark_point(filled=True, size=60).encode(
        shape=theme.architecture_shape(cube),
        tooltip=[
            *theme.tooltips("architecture", "kernel", "memory_length"),
            alt.Tooltip("change", title=axis),
            alt.Tooltip("text", title="relative error (seeds)"),
        ],
    )
    note = theme.memory_length_note(base, by=["kernel"], right=326)
    note = note.encode(y=alt.value(184), color=alt.value("#555555"), opacity=alt.value(1.0))
    panel = alt.layer(zero, line, point.add_params(chosen), note)
    chart = theme.by_kernel(panel.properties(width=330, height=200), cube)
    chart = chart.add_params(theme.level_slider(cube))
    edge = f"Errors above {high:.3g} and infinite errors are drawn at the upper edge."
    return theme.styled(
        chart.resolve_axis(x="independent", y="independent"),
        title=title,
        subtitle=[*subtitle, *([edge] if beyond.any() else [])],
    )
