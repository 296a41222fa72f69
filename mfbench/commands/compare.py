"""``mfbench compare``: what differs between two cubes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mfbench.commands.arguments import Figure, Json
from mfbench.commands.output import console, say, say_json
from mfbench.files.cube_path import cube_path
from mfbench.words import counted

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

EXAMPLES = (
    "mfbench compare before.nc after.nc",
    "mfbench compare before.nc after.nc --figure difference.html",
    "mfbench compare results/mine/cubes/benchmark.nc reference",
)
_SHOWN = 20  # cells without --all


def run(
    a: Annotated[
        Path, typer.Argument(metavar="A", help="A cube, as in results/NAME/cubes/benchmark.nc.")
    ],
    b: Annotated[
        Path, typer.Argument(metavar="B", help="Another cube; 'reference' ships with mfbench.")
    ],
    every: Annotated[bool, typer.Option("--all", help="List all cells that both have.")] = False,
    figure: Figure = None,
    as_json: Json = False,
) -> None:
    """Show which errors of two cubes differ.

    Compares the errors of the seeds in each cell (architecture, width, kernel, level) that both
    cubes have. A cell differs if its errors differ by more than the noise between seeds. The test
    allows for the number of cells: at most 10 % of the differences are expected to be chance.
    """
    path_a, path_b = cube_path(a), cube_path(b)
    from mfbench.cube.compare import compare_cubes
    from mfbench.cube.read import open_benchmark
    from mfbench.figures.comparison import comparison_table, draw

    comparison = compare_cubes(open_benchmark(path_a), open_benchmark(path_b))
    table = comparison_table(comparison)
    if figure:
        from mfbench.figures.export import save_chart

        save_chart(figure, draw(comparison))
    if as_json:
        say_json(_document(comparison, table))
        return
    say(f"A: {a}", f"B: {b}", *_summary(comparison, table))
    found = table if every else table[table.differs].sort_values("p_value")
    limit = None if every else _SHOWN
    if len(found):
        _show_cells(found[:limit])
    if limit and len(found) > limit:
        say(f"and {len(found) - limit} more: --all shows all")


def _summary(comparison: xr.Dataset, table: pd.DataFrame) -> list[str]:
    only = comparison.attrs["only_in_a"], comparison.attrs["only_in_b"]
    differ = table[table.differs]
    better = int((differ.ratio < 1).sum())
    lines = [f"settings differ: B has {line}" for line in comparison.attrs["other_settings"]]
    lines += [f"{counted(len(table), 'cell')} in both, {only[0]} only in A, {only[1]} only in B"]
    lines += comparison.attrs["apart"]
    if len(table) and table.p_value.isna().all():
        return [*lines, "no cell has two seeds in both cubes, so their noise is unknown"]
    return [
        *lines,
        f"{len(differ)} differ beyond the noise between seeds: B is better in {better}, worse in "
        f"{len(differ) - better}",
    ]


def _show_cells(table: pd.DataFrame) -> None:
    from rich.box import SIMPLE
    from rich.table import Table

    shown = Table(box=SIMPLE, show_edge=False, padding=(0, 1, 0, 0))
    for name in ("architecture", "width", "kernel", "M99", "A", "B", "B / A", "90 % interval"):
        kind = "left" if name in ("architecture", "kernel") else "right"
        shown.add_column(name, justify=kind, overflow="fold")  # type: ignore[arg-type]
    for cell in table.to_dict("records"):
        known = cell["p_value"] == cell["p_value"]  # not NaN
        shown.add_row(
            *(f"{cell[name]}" for name in ("architecture", "width", "kernel")),
            f"{cell['memory_length']:.0f}",
            *(f"{cell[name]:.3g}" for name in ("error_a", "error_b", "ratio")),
            f"{cell['lowest']:.2g} .. {cell['highest']:.2g}" if known else "unknown",
            style="" if cell["differs"] else "dim",
        )
    console().print(shown)


def _document(comparison: xr.Dataset, table: pd.DataFrame) -> dict[str, Any]:
    """The comparison in JSON's types; a missing interval is null."""
    names = ["architecture", "width", "kernel", "rho", "memory_length", "error_a", "error_b"]
    names += ["ratio", "lowest", "highest", "p_value", "differs"]
    return {
        **comparison.attrs,
        "cells": json.loads(table[names].to_json(orient="records", double_precision=15)),
    }
