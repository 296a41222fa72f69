"""``mfbench floors``: the lowest errors that linear models of given sizes can reach."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from mfbench.api.defaults import LENGTH
from mfbench.commands.arguments import Json
from mfbench.commands.names import kernels
from mfbench.commands.output import say, say_json
from mfbench.commands.task_arguments import given_task

if TYPE_CHECKING:
    from mfbench.api.floors import Floor
    from mfbench.api.tasks import Task

EXAMPLES = (
    "mfbench floors --kernel airy --memory-length 16",
    "mfbench floors --kernel airy --memory-length 16 --state 4,8,16 --json",
    "mfbench floors --kernel mine.py:FAMILY --rho 0.9 --receptive-field 31 --length 128",
)
NAMES = (kernels,)
_STATES = (1, 2, 4, 8, 16, 32, 64)


def run(
    *,
    kernel: Annotated[
        str, typer.Option(metavar="NAME", help="A family, file.py:FAMILY, .npy or .nc file.")
    ],
    memory_length: Annotated[
        int | None, typer.Option(help="Effective memory length M99 in steps.")
    ] = None,
    rho: Annotated[
        float | None, typer.Option(help="The family's parameter rho, instead of --memory-length.")
    ] = None,
    state: Annotated[
        str | None,
        typer.Option(
            metavar="N,N,...",
            help="State sizes; default: 1, 2, 4, ... until the floor is below 1e-6.",
        ),
    ] = None,
    receptive_field: Annotated[
        int | None,
        typer.Option(metavar="N", help="Receptive field: number of lags that reach the output."),
    ] = None,
    length: Annotated[int, typer.Option(help="Sequence length.")] = LENGTH,
    as_json: Json = False,
) -> None:
    """Show the lowest errors of linear models on a task.

    For each size: a certified lower bound, and the error of the best model that a search found.
    Both are relative to the error of predicting zero. Only the second half of each sequence is
    scored, and lag 0 needs no state.
    """
    task = given_task(kernel, memory_length, rho=rho, length=length)
    try:
        floors = _floors(task, _sizes(state), receptive_field)
        if not as_json:
            _show(task, floors)
            return
        about = {key: getattr(task, key) for key in ("kernel", "memory_length", "rho", "length")}
        found = {**about, "floors": [vars(one) for one in floors]}
        say_json(found)
    except ValueError as error:  # all of it is input
        raise typer.BadParameter(str(error)) from None


def _sizes(text: str | None) -> list[int] | None:
    if text is None:
        return None
    if not all(size.strip().isdigit() for size in text.split(",")):
        raise ValueError(f"--state {text}: give whole numbers, such as 4,8,16")
    return [int(size) for size in text.split(",")]


def _floors(task: Task, sizes: list[int] | None, receptive_field: int | None) -> Iterator[Floor]:
    """The floors one by one, because each takes seconds."""
    from mfbench.api.floors import floor
    from mfbench.evaluation.optimum import RESOLVED

    if sizes is None and receptive_field is not None:
        yield floor(task, receptive_field=receptive_field)
        return
    for size in sizes or _STATES:
        found = floor(task, state=size, receptive_field=receptive_field)
        yield found
        if sizes is None and found.upper < RESOLVED:
            return


def _show(task: Task, floors: Iterable[Floor]) -> None:
    say(f"{task.kernel!s}, rho = {task.rho:.6g}, M99 = {task.memory_length}, T = {task.length}")
    say(f"{'state':>8}{'receptive field':>18}{'lower':>12}{'upper':>12}")
    for found in floors:
        state, field = ("any" if n is None else n for n in (found.state, found.receptive_field))
        say(f"{state:>8}{field:>18}{found.lower:>12.3g}{found.upper:>12.3g}")
