"""What ``mfbench try`` shows: errors, the memory function, and a hint; or JSON."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table
from rich.text import Text

from mfbench.api.attempt import Attempt
from mfbench.commands.block_chart import block_chart
from mfbench.cube.failure_boundaries import success_threshold
from mfbench.evaluation.optimum import RESOLVED
from mfbench.figures.one_task import compared, shown_lags
from mfbench.figures.tables import memory_table
from mfbench.words import counted

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

_MARGIN = 12  # columns before a chart


def document(attempt: Attempt, other: xr.Dataset | None) -> dict[str, Any]:
    """An attempt in JSON's types."""
    cube = attempt.cube
    rows = compared(cube, other)
    memory = memory_table(cube)
    members = cube[["status", "relative_mse", "relative_mse_standard_error", "best_step"]]
    return {
        "model": cube.architecture.item(),
        "kernel": cube.kernel.item(),
        "rho": cube.rho.item(),
        "memory_length": int(cube.memory_length.item()),
        "length": cube.sizes["lag"],
        "steps": int(cube.budget),
        "interrupted": attempt.interrupted,
        "seconds": attempt.seconds,
        "success": success_threshold(cube),
        "solved": not cube.cause.item(),
        "cause": cube.cause.item(),
        "hints": _hints(cube),
        "members": _plain(members.isel(_CELL).to_dataframe().reset_index()[_MEMBER]),
        "models": _plain(rows.drop(columns=["level"])),
        "memory_function": _plain(memory[["lag", "target", "median", "low", "high"]]),
    }


_CELL = {"architecture": 0, "width": 0, "kernel": 0, "level": 0}
_MEMBER = [
    "learning_rate",
    "seed",
    "status",
    "relative_mse",
    "relative_mse_standard_error",
    "best_step",
]


def _plain(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows with None for numbers that are not finite."""
    return [
        {
            str(k): None if isinstance(v, float) and not math.isfinite(v) else v
            for k, v in row.items()
        }
        for row in table.to_dict("records")
    ]


def _hints(cube: xr.Dataset) -> list[str]:
    evidence = str(cube.cause_evidence.item())
    return evidence.split("; ") if evidence else []


def show(
    console: Console, attempt: Attempt, other: xr.Dataset | None = None, *, name: str = ""
) -> None:
    """Print the errors of all models, the memory function of the model, and hints.

    Parameters
    ----------
    console : Console
    attempt : Attempt
    other : Dataset, optional
        A cube with one kernel and one level.
    name : str
        What the other cube is called.
    """
    cube = attempt.cube
    model, task = cube.architecture.item(), f"{cube.kernel.item()}, M99 = {_length(cube)}"
    members = int((cube.status != "absent").sum())
    console.print(f"{model} on {task}", style="bold")
    console.print(
        f"{counted(members, 'member')}, at most {counted(int(cube.budget), 'step')}, "
        f"in {attempt.seconds:.0f} s"
        + (f" (interrupted at step {int(cube.step.max())})" if attempt.interrupted else ""),
        style="dim",
    )
    if other is not None:
        budget = int(other.budget) if "budget" in other.coords else 0
        steps = f", trained for {counted(budget, 'step')}" if budget else ""
        # A cube without its functions of lag does not know the length of its sequences.
        length = f", sequences of {other.sizes['lag']} steps" if "lag" in other.sizes else ""
        console.print(
            f"other models: {name}, {other.kernel.item()}, M99 = {_length(other)}{length}{steps}",
            style="dim",
            soft_wrap=True,
        )
    console.print()
    rows = compared(cube, other)
    console.print(_errors(rows, success_threshold(cube)))
    if any(_floor(row) == "0" for row in rows.to_dict("records")):
        console.print(
            "floor 0: a linear model of this size can solve the task exactly", style="dim"
        )
    console.print()
    for line in _memory_lines(cube, console.width - _MARGIN):
        console.print(line)
    console.print()
    _conclude(console, cube)


def _length(cube: xr.Dataset) -> int:
    return int(cube.memory_length.item())


def _errors(rows: pd.DataFrame, threshold: float) -> Table:
    table = Table(box=SIMPLE, show_edge=False, padding=(0, 1, 0, 0))
    for heading in ("model", "width", "state", "error", "seeds", "rate", "floor", ""):
        right = heading in ("width", "state", "error")
        # The others wrap in a narrow terminal.
        whole = right or heading == "model"
        table.add_column(heading, justify="right" if right else "left", no_wrap=whole)
    for row in rows.to_dict("records"):
        solved = row["median"] < threshold
        table.add_row(
            row["model"],
            f"{row['width']}",
            "–" if math.isnan(row["state_size"]) else f"{row['state_size']:.0f}",
            _number(row["median"], "diverged"),
            f"{_number(row['low'], '–')} to {_number(row['high'], 'diverged')}",
            row["learning_rate"],
            _floor(row),
            Text("solved", "green") if solved else Text("not solved", "yellow"),
            style="bold" if row["tried"] else None,
        )
    return table


def _number(value: float, otherwise: str) -> str:
    return f"{value:.2g}" if math.isfinite(value) else otherwise


def _floor(row: dict[Any, Any]) -> str:
    """The error of the best linear model of the same size, or the interval in which it lies."""
    lower, upper = row["lower_floor"], row["upper_floor"]
    if math.isnan(upper) or (math.isnan(row["state_size"]) and upper == 0):
        return "–"  # no size is declared
    ends = ["0" if end < RESOLVED else f"{end:.2g}" for end in (lower, upper)]
    return ends[0] if ends[0] == ends[1] else " to ".join(ends)


def _memory_lines(cube: xr.Dataset, width: int) -> list[str]:
    """The target and the learned memory function as bars over lag."""
    table = memory_table(cube)
    table = table[table.lag <= min(shown_lags(cube), max(width, 8) - 1)]
    if table.empty:
        return ["no memory function was learned: all members diverged"]
    values = [*table.target.tolist(), *table["median"].tolist()]
    ends = {"low": min(values), "high": max(values)}
    lines = []
    for name, column in {"target": "target", "learned": "median"}.items():
        for i, (end, bars) in enumerate(block_chart(table[column].tolist(), lines=4, **ends)):
            lines.append(f"{name if i == 0 else '':8}{end:5.2f} {bars}".rstrip())
    last = f"{table.lag.max()}"
    ruler = "0" + last.rjust(len(table) - 1)
    return [*lines, f"{'lag':13} {ruler}"]


def _conclude(console: Console, cube: xr.Dataset) -> None:
    if not cube.cause.item():
        console.print(f"solved: error below {success_threshold(cube):g}", style="bold green")
        return
    cause = cube.cause.item()
    console.print("not solved" + (f": {cause}" if cause != "not diagnosed" else ""), style="bold")
    for hint in _hints(cube):
        console.print(f"  {hint}")
