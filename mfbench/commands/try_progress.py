"""A progress bar with the time left, where somebody looks at it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from mfbench.commands.output import console


@contextmanager
def progress_of_steps(name: str) -> Iterator[Callable[[int, int], None]]:
    """Show the steps that are done, on standard error, and only if standard output is a terminal.

    Yields
    ------
    callable
        Takes the steps done and all steps.
    """
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn()
    shown = console().is_terminal
    bar = Progress(*columns, console=Console(stderr=True), transient=True, disable=not shown)
    with bar:
        task = bar.add_task(f"{name}: checking the model", total=None)

        def report(done: int, total: int) -> None:
            doing = "training" if done < total else "measuring"
            bar.update(task, description=f"{name}: {doing}", completed=done, total=total)

        yield report
