"""The task that a command line gives, and errors about it that name options of the command."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from mfbench.api.tasks import Task

_OF_THE_COMMAND = (
    (r"\b(?:family|values): (?=path)", ""),
    (r"\brho: \[\.\.\.\]", "--rho"),
    (r"\b(memory_length|rho)\b(?: =)?", r"--\1"),
    (r"\b(clock|marked): (?=marked |[0-9])", r"--\1 "),
    (r"^(clock|marked|length)(?=:)", r"--\1"),
    (r"--memory_length", "--memory-length"),
)
"""Patterns for keys of a study and arguments of Python, and what to say in their place."""


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
        text = str(error)
        for pattern, words in _OF_THE_COMMAND:
            text = re.sub(pattern, words, text)
        raise typer.BadParameter(text) from None
