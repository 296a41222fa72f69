"""The task that a command line gives, and errors about it that name its options."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from mfbench.api.tasks import Task


def given_task(kernel: str, memory_length: int | None, *, rho: float | None, **others: Any) -> Task:
    """The task of a command.

    Raises
    ------
    BadParameter
        There is no such task.
    """
    from mfbench.api.tasks import Task

    if None not in (memory_length, rho):
        raise typer.BadParameter("give either --memory-length or --rho, not both")
    try:
        return Task(kernel, memory_length, rho=rho, **others)
    except ValueError as error:
        # The other options have the names of Task's arguments.
        text = str(error).replace("memory_length", "memory-length")
        raise typer.BadParameter(text) from None
