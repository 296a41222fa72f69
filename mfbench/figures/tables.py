"""Tidy tables from a benchmark cube, for figures and the report."""

from __future__ import annotations

import numpy as np
import pandas as pd
import xarray as xr

from mfbench.cube.failure_boundaries import CENSORED, GROUP
from mfbench.cube.select import failed, selected, trained
from mfbench.evaluation.optimum import RESOLVED

FLOORS = ("lower_floor", "upper_floor")
BASELINES = ("linear_system_error", "ridge_error", "ridge_window")


def has(cube: xr.Dataset, *names: str) -> bool:
    """Whether all these variables are in the cube and hold numbers."""
    return all(name in cube and int(cube[name].count()) > 0 for name in names)


def over_seeds(values: xr.DataArray) -> dict[str, xr.DataArray]:
    """``median``, ``low`` and ``high`` over seeds."""
    return {"median": values.median("seed"), "low": values.min("seed"), "high": values.max("seed")}


def error_table(cube: xr.Dataset) -> pd.DataFrame:
    """One row per (architecture, width, kernel, level) that was trained and did not fail.

    Columns: ``median``, ``low`` and ``high`` of relative_mse over seeds at their selected learning
    rates (a diverged member counts as infinite, and an infinite result becomes NaN), ``diverged``
    and ``members`` over all learning rates, ``learning_rate`` as text (a range if seeds count at
    several), ``rho``, ``memory_length``, ``state_size``, the ``lower_floor`` and ``upper_floor`` of
    linear models of this size, and the baselines ``linear_system_error``, ``ridge_error`` and
    ``ridge_window`` (NaN if the cube has none).
    """
    best = selected(cube[["status", "relative_mse", "selected_learning_rate"]])
    error = best.relative_mse.where(best.status != "diverged", np.inf)
    given = {name: cube.get(name, np.nan) for name in (*FLOORS, *BASELINES)}
    table = xr.Dataset(
        {
            **{name: _finite(values) for name, values in over_seeds(error).items()},
            "lowest_rate": best.selected_learning_rate.min("seed"),
            "highest_rate": best.selected_learning_rate.max("seed"),
            "diverged": (cube.status == "diverged").sum(["learning_rate", "seed"]),
            "members": trained(cube).sum(["learning_rate", "seed"]),
            **given,
        }
    ).to_dataframe()
    table = table[table.members > 0].reset_index()
    rates = zip(table.lowest_rate, table.highest_rate, strict=True)
    table["learning_rate"] = [f"{a:.2g}" if a == b else f"{a:.2g} to {b:.2g}" for a, b in rates]
    kept = ["architecture", "width", "kernel", "level", "rho", "memory_length", "learning_rate"]
    kept += ["median", "low", "high", "diverged", "members", "state_size"]
    kept += [*FLOORS, *BASELINES]
    return table[kept]


def ridge_table(cube: xr.Dataset) -> pd.DataFrame:
    """One row per (kernel, level) with a ridge regression.

    Columns: ``kernel``, ``level``, ``rho``, ``memory_length``, ``ridge_error``, ``ridge_window``.
    """
    names = ["kernel", "level", "rho", "memory_length", "ridge_error", "ridge_window"]
    if not has(cube, "ridge_error"):
        return pd.DataFrame(columns=names)
    table = cube[["ridge_error", "ridge_window"]].to_dataframe().reset_index()
    return table.dropna(subset="ridge_error")[names]


def failed_table(cube: xr.Dataset) -> pd.DataFrame:
    """One row per (architecture, width, kernel, level) that failed, with its ``memory_length``."""
    table = failed(cube).to_dataframe(name="failed")
    table = table[table.failed].reset_index()
    return table[["architecture", "width", "kernel", "level", "rho", "memory_length"]]


def cause_table(cube: xr.Dataset) -> pd.DataFrame:
    """One row per trained cell that is not solved.

    Columns: ``architecture``, ``width``, ``kernel``, ``level``, ``memory_length``, ``cause`` and
    ``evidence``.
    """
    names = ["architecture", "width", "kernel", "level", "memory_length", "cause", "evidence"]
    if "cause" not in cube:
        return pd.DataFrame(columns=names).astype(dict.fromkeys(names[-2:], "string"))
    table = xr.Dataset({"cause": cube.cause, "evidence": cube.cause_evidence}).to_dataframe()
    table = table[table.cause.fillna("") != ""].reset_index()[names]
    # With strings, entries that a join leaves empty become null in a figure; with objects, NaN.
    return table.astype(dict.fromkeys(names[-2:], "string"))


def boundary_table(cube: xr.Dataset) -> pd.DataFrame:
    """One row per (architecture, width, kernel) that was trained.

    Columns: the boundary variables of the cube without the prefix ``boundary_`` (``censored`` as a
    word), the ``easiest`` and ``hardest`` M99 at which the group was trained, and ``at``, the M99
    at the boundary or the one of these two that it lies beyond.
    """
    run = trained(cube).any(["learning_rate", "seed"])
    lengths = cube.memory_length.where(run)
    columns = {
        str(name).removeprefix("boundary_"): cube[name]
        for name in cube.data_vars
        if str(name).startswith("boundary_")
    }
    columns |= {"easiest": lengths.min("level"), "hardest": lengths.max("level")}
    table = xr.Dataset({name: values.reset_coords(drop=True) for name, values in columns.items()})
    frame = table.to_dataframe(dim_order=list(GROUP)).reset_index()
    frame["censored"] = [CENSORED[flag] for flag in frame.censored]
    frame["at"] = np.select(
        [frame.censored == "below", frame.censored == "above"],
        [frame.easiest, frame.hardest],
        frame.memory_length,
    )
    return frame[frame.censored != "absent"]


def largest_widths(table: pd.DataFrame) -> pd.DataFrame:
    """Select the rows of each architecture at its largest width."""
    return table[table.width == table.groupby("architecture").width.transform("max")]


def capacity_name(cube: xr.Dataset) -> str | None:
    """The memory capacity for what targets remember; None if no state of the cube is known."""
    names = ("marked_memory_capacity", "memory_capacity")
    return next((name for name in names if has(cube, name)), None)


def memory_table(cube: xr.Dataset) -> pd.DataFrame:
    """One row per (architecture at its largest width, kernel, level, lag).

    Columns ``target``, and ``median``, ``low`` and ``high`` over seeds of the learned memory
    function at the selected learning rate; ``held``, the median memory capacity of the state for
    what the target remembers (NaN if unknown), between 0 and 1.
    """
    capacity = capacity_name(cube)
    names = ["selected_learning_rate", "learned_memory_function", *([capacity] if capacity else [])]
    best = selected(cube[names])
    found = {**over_seeds(best.learned_memory_function), "target": cube.memory_function}
    table = xr.Dataset(found).to_dataframe()
    table["held"] = np.nan
    if capacity:
        held = best[capacity].median("seed").transpose(*table.index.names)
        table["held"] = np.clip(held.values.ravel(), 0.0, 1.0)
    table = table.dropna(subset="median").reset_index()
    kept = ["architecture", "kernel", "level", "memory_length", "lag", "target", "held"]
    return with_every_panel(cube, largest_widths(table)[[*kept, "median", "low", "high"]])


def curve_table(cube: xr.Dataset) -> pd.DataFrame:
    """One row per (architecture at its largest width, kernel, level, validated step).

    Columns ``median``, ``low`` and ``high`` over seeds of the validation error at the selected
    learning rate.
    """
    curve = selected(cube[["selected_learning_rate", "validation_error"]]).validation_error
    table = xr.Dataset(over_seeds(curve)).to_dataframe()
    table = table.dropna(subset="median").reset_index()
    kept = ["architecture", "kernel", "level", "memory_length", "step", "median", "low", "high"]
    return with_every_panel(cube, largest_widths(table)[kept])


def with_every_panel(cube: xr.Dataset, table: pd.DataFrame) -> pd.DataFrame:
    """Add an empty row for each task at which an architecture has no rows.

    Otherwise Vega-Lite misplaces the headers of the grid.
    """
    keys = ["architecture", "kernel", "level"]
    every = pd.MultiIndex.from_product([cube[key].values for key in keys], names=keys)
    missing = every.difference(pd.MultiIndex.from_frame(table[keys]))
    if missing.empty:
        return table
    return pd.concat([table, missing.to_frame(index=False)], ignore_index=True)


def several_widths(table: pd.DataFrame) -> bool:
    """Whether an architecture has several widths; those of equal size have one each."""
    pairs = table[["architecture", "width"]].drop_duplicates()
    return bool(pairs.architecture.duplicated().any())


def model_names(table: pd.DataFrame) -> list[str]:
    """The architectures, with their width if one of them has several."""
    if not several_widths(table):
        return list(table.architecture)
    return [f"{a} {w}" for a, w in zip(table.architecture, table.width, strict=True)]


def task_names(table: pd.DataFrame) -> list[str]:
    """M99 as the name of a task, with rho if two levels of its kernel share M99."""
    tasks = table[["kernel", "level", "memory_length"]].drop_duplicates()
    shared = set(tasks[tasks.duplicated(["kernel", "memory_length"], keep=False)].kernel)
    return [
        f"{row.memory_length:.0f} ({row.rho:.4g})"
        if row.kernel in shared
        else f"{row.memory_length:.0f}"
        for row in table.itertuples()
    ]


def task_order(table: pd.DataFrame) -> list[str]:
    """The names of all tasks of all kernels, from easy to hard."""
    named = table.dropna(subset="task").sort_values(["memory_length", "level"])
    return list(named.task.unique())


def short_error(value: float | None) -> str:
    """Format an error with at most two significant digits, as short as possible."""
    if value is None or not np.isfinite(value):
        return "–"
    if value >= 0.095:
        return f"{value:.2f}".removeprefix("0") if value < 0.995 else f"{value:.1f}"
    if value >= 0.00095:
        return f"{value:.3f}".removeprefix("0")
    return f"{value:.0e}".replace("e-0", "e-")


def resolved_error(value: float) -> str:
    """`short_error` of an exact error, with a bound in place of what training cannot resolve."""
    return "< 1e-6" if value < RESOLVED else short_error(value)


def short_steps(steps: float) -> str:
    """Format a number of steps, with one decimal if it is small."""
    return f"{steps:.1f}".removesuffix(".0") if steps < 10 else f"{steps:.0f}"


def rounded(table: pd.DataFrame, *columns: str, digits: int = 4) -> pd.DataFrame:
    """Round some columns to a number of significant digits, to keep pages small."""
    table = table.copy()
    for column in columns:
        table[column] = [
            float(f"{value:.{digits}g}") if np.isfinite(value) else None for value in table[column]
        ]
    return table


def _finite(values: xr.DataArray) -> xr.DataArray:
    return values.where(np.isfinite(values))
