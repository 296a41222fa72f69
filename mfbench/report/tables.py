"""The short tables of the report."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from mfbench.cube.causes import CAUSES
from mfbench.cube.failure_boundaries import success_threshold
from mfbench.cube.select import failed, longest
from mfbench.cube.slopes import boundary_slopes
from mfbench.figures.tables import (
    cause_table,
    error_table,
    has,
    largest_widths,
    resolved_error,
    ridge_table,
)

_BASELINES = {"ridge_error": "ridge regression", "zero_error": "predicting zero"}
_EDGES = {"_inside": 0, "_lowest": -1, "_highest": 1}


def kernel_rows(cube: xr.Dataset) -> list[dict[str, str]]:
    """The ``name``, and the ``rho``, ``memory_length``, ``order`` and ``ridge`` of its levels."""
    order = cube.order if "order" in cube.variables else cube.rho * np.nan
    ridge = ridge_table(cube)
    return [
        {
            "name": name,
            "rho": _listed(cube.rho.sel(kernel=name).values, ".4g"),
            "memory_length": _listed(cube.memory_length.sel(kernel=name).values),
            "order": _listed(order.sel(kernel=name).values),
            "ridge": ", ".join(
                f"{resolved_error(row.ridge_error)} ({row.ridge_window:.0f})"
                for row in ridge[ridge.kernel == name].itertuples()
            ),
        }
        for name in cube.kernel.values.tolist()
    ]


def baseline_rows(cube: xr.Dataset) -> list[dict[str, Any]]:
    """One row per baseline that belongs to no architecture, or none in a cube without baselines.

    Each has a ``name``, and the number of tasks ``solved``, of all ``tasks`` with baselines.
    """
    success = success_threshold(cube)
    return [
        {
            "name": name,
            "solved": int((cube[error] < success).sum()),
            "tasks": int(cube[error].count()),
        }
        for error, name in _BASELINES.items()
        if has(cube, error)
    ]


def causes_by_model(cube: xr.Dataset) -> dict[str, Any]:
    """Number of unsolved cells by cause, for each architecture and width.

    Returns
    -------
    dict
        ``columns``: the causes that occur; ``rows``: ``architecture``, ``width`` and ``counts``;
        ``cells``: a record for each unsolved cell, as in `cause_table`.
    """
    table = cause_table(cube)
    columns = [cause for cause in CAUSES if cause in set(table.cause)]
    rows = [
        {"architecture": a, "width": w, "counts": [int((part.cause == c).sum()) for c in columns]}
        for (a, w), part in table.groupby(["architecture", "width"], sort=False)
    ]
    return {"columns": columns, "rows": rows, "cells": table.to_dict("records")}


def difference_table(cube: xr.Dataset) -> pd.DataFrame:
    """Count the tasks on which all seeds of one architecture are better than all of the other.

    Architectures are compared at their largest widths and selected learning rates; a diverged seed
    is worse than any error.

    Returns
    -------
    DataFrame
        Architectures by architectures in the order of the study; symmetric, with a diagonal of 0.
    """
    names = cube.architecture.values.tolist()
    table = largest_widths(error_table(cube)).set_index(["architecture", "kernel", "level"])
    low, high, members = (table[c].unstack("architecture") for c in ("low", "high", "members"))
    # In trained cells, `low` is NaN if all seeds diverged, and `high` if any did.
    trained = members > 0
    low, high = low.where(low.notna(), np.inf), high.where(high.notna(), np.inf)
    counts = [
        [
            int(((high[a] < low[b]) | (high[b] < low[a]))[trained[a] & trained[b]].sum())
            if a in low and b in low
            else 0
            for b in names
        ]
        for a in names
    ]
    return pd.DataFrame(counts, index=names, columns=names)


def edge_counts(cube: xr.Dataset) -> dict[str, int]:
    """Count the cells by where the learning rate of most seeds lies among those of the cell.

    Returns
    -------
    dict
        ``solved`` and ``unsolved``, each also with ``_inside``, ``_lowest`` and ``_highest``; empty
        if no cell had a choice.
    """
    if not has(cube, "selected_rate_edge"):
        return {}
    edges = cube.selected_rate_edge.to_dataframe(name="edge").edge.dropna()
    names = list(edges.index.names)
    cells = error_table(cube).set_index(names).join(edges, how="inner")
    solved = cells["median"] < success_threshold(cube)
    counts = {}
    for name, these in {"solved": cells[solved], "unsolved": cells[~solved]}.items():
        counts[name] = len(these)
        counts |= {name + where: int((these.edge == at).sum()) for where, at in _EDGES.items()}
    return counts


def failed_messages(cube: xr.Dataset) -> list[dict[str, Any]]:
    """A record for each (architecture, width, kernel, message) of failed cells.

    Further keys: ``levels``, the M99 of the cells with this message as text, and ``cells``, their
    number.
    """
    names = ["architecture", "width", "kernel", "message"]
    if not (where := failed(cube)).any():
        return []
    table = xr.Dataset({"failed": where, "message": cube.message}).to_dataframe()
    groups = table[table.failed].reset_index().groupby(names, sort=False)
    return [
        {
            **dict(zip(names, values, strict=True)),
            "levels": _listed(group.memory_length),
            "cells": len(group),
        }
        for values, group in groups
    ]


def slope_rows(cube: xr.Dataset) -> list[dict[str, Any]]:
    """A record for each slope of a failure boundary, over training or width, that can be estimated.

    Keys: ``architecture``, ``kernel``, ``per`` (steps or width), ``at`` (the other of the two) and
    ``text``, such as '0.5 [0.2, 0.9]'.
    """
    rows = []
    for along, per in (("budget", "steps"), ("width", "width")):
        whole = cube if along == "budget" else longest(cube)
        if whole.sizes.get(along, 1) < 2:
            continue
        table = boundary_slopes(whole, along=along).to_dataframe().reset_index()
        for record in table[np.isfinite(table.slope)].to_dict("records"):
            at = f"width {record['width']}" if along == "budget" else f"{record['budget']} steps"
            text = "{slope:.2g} [{slope_low:.2g}, {slope_high:.2g}]".format(**record)
            rows.append({**record, "per": per, "at": at, "text": text})
    return rows


def _listed(values: Iterable[float], form: str = ".0f") -> str:
    return ", ".join(f"{value:{form}}" for value in values if np.isfinite(value))
