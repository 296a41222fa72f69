"""``mfbench status``: how many cells of a study are done, running, failed, diverged, missing."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

    from mfbench.status.state import Cell, StudyStatus

_SHOWN = 10  # failed cells and problems, where not all are asked for
_PROCESSES = 8  # at most: a login node belongs to many
_COLOURS = {"running": "cyan", "failed": "red", "diverged": "yellow", "missing": "bright_black"}
_REASONS = {
    "interrupted": "interrupted: the job was stopped or killed; if it left checkpoints it goes on",
    "outdated": "outdated: trained with other settings than the study's, or on another dataset",
    "unreadable": "unreadable: the file is broken",
}


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Say how the command is called."""
    parser = commands.add_parser(
        "status",
        help="count the cells of a study that are done, running, failed, diverged, missing",
        description="Count the cells of a study by their state, from its files alone: nothing is "
        "locked or changed. Call it in the folder in which Snakemake runs. The exit code is 2 "
        "where the study file cannot be used, else 0.",
    )
    parser.add_argument("study", nargs="?", default="config.yaml", help="study file (config.yaml)")
    how = parser.add_mutually_exclusive_group()
    how.add_argument(
        "--json", action="store_true", help="all counts and lists of cells, for other programs"
    )
    how.add_argument("--watch", type=_seconds, metavar="SECONDS", help="look again and again")
    parser.add_argument(
        "--failures", action="store_true", help=f"list all failed cells, not just {_SHOWN}"
    )
    parser.set_defaults(run=run)


def run(given: argparse.Namespace) -> int:
    """Print the status, and return the exit code."""
    # Set before HDF5 is loaded: it would lock the files that it reads.
    os.environ["HDF5_USE_FILE_LOCKING"] = "FALSE"
    from rich.console import Console

    from mfbench.status.document import status_document
    from mfbench.status.study import Known, study_status
    from mfbench.study.study import read_study

    try:
        study = read_study(given.study)
    except (OSError, ValueError) as error:
        sys.stderr.write(f"mfbench status: {error}\n")
        return 2
    console = Console(highlight=False, markup=False, emoji=False)
    processes = min(_PROCESSES, os.cpu_count() or 1)
    if given.json:
        document = status_document(study_status(study, processes=processes))
        sys.stdout.write(json.dumps(document, indent=1) + "\n")
        return 0
    known: Known = {}
    try:
        while True:
            status = study_status(study, processes=processes, known=known)
            if given.watch is not None:
                console.clear()
            show(console, status, limit=None if given.failures else _SHOWN)
            if given.watch is None:
                return 0
            time.sleep(given.watch)
    except KeyboardInterrupt:
        return 0 if given.watch is not None else 130


def show(console: Console, status: StudyStatus, *, limit: int | None = _SHOWN) -> None:
    """Print a table with a row per architecture, and what there is to know about its cells.

    Parameters
    ----------
    console : Console
        Where to.
    status : StudyStatus
        The status.
    limit : int, optional
        Number of failed cells and of problems to list, None for all.
    """
    from rich.box import SIMPLE
    from rich.table import Table
    from rich.text import Text

    from mfbench.status.state import STATES, total

    counts = status.counts()
    everything = total(counts.values())
    architectures = list(dict.fromkeys(name for name, _ in counts))
    kernels = list(dict.fromkeys(kernel for _, kernel in counts))
    table = Table(box=SIMPLE, show_footer=True, show_edge=False, padding=(0, 1, 0, 0))
    of_kernel = {k: total(c for (_, kernel), c in counts.items() if kernel == k) for k in kernels}
    table.add_column("", "all", overflow="fold")
    for kernel in kernels:
        table.add_column(kernel, _cells(of_kernel[kernel]), min_width=len(kernel))
    table.add_column("all", _cells(everything))
    table.add_column("evaluated", _evaluated(everything), no_wrap=True)
    for name in architectures:
        whole = total(c for (architecture, _), c in counts.items() if architecture == name)
        parts = [_cells(counts[name, kernel]) for kernel in kernels]
        table.add_row(Text(name, "bold"), *parts, _cells(whole), _evaluated(whole))
    console.print(f"{status.name}: {everything['cells']} cells in {status.results}", style="bold")
    console.print(table)
    summary = ", ".join(
        f"{everything[state]} {state}"
        + (f" ({everything['diverged_members']} members)" if state == "diverged" else "")
        for state in STATES
    )
    console.print(f"\n{summary}")
    console.print("done/cells, and of the others r running, f failed, d diverged, m missing")
    for reason, meaning in _REASONS.items():
        if everything[reason]:
            console.print(f"{everything[reason]} of the missing {meaning}")
    failed = [f"{_name(c)}: {c.message}\n    see {c.log}" for c in status.of("failed")]
    _listing(console, "Failed:", failed, limit)
    _listing(console, "Files that cannot be used:", list(status.problems), limit)


def _listing(console: Console, title: str, lines: list[str], limit: int | None) -> None:
    if lines:
        console.print(f"\n{title}", style="bold")
    for line in lines[:limit]:
        console.print(f"  {line}")
    if limit is not None and len(lines) > limit:
        console.print(f"  and {len(lines) - limit} more: --failures shows all")


def _cells(counts: Mapping[str, int]) -> Text:
    """Counts of cells in few characters; what is zero is left out."""
    from rich.text import Text

    finished = counts["done"] == counts["cells"]
    text = Text(f"{counts['done']}/{counts['cells']}", "green" if finished else "")
    for state, colour in _COLOURS.items():
        if counts[state]:
            text.append(f" {counts[state]}{state[0]}", colour)
    return text


def _evaluated(counts: Mapping[str, int]) -> Text:
    from rich.text import Text

    finished = counts["groups_evaluated"] == counts["groups"]
    return Text(f"{counts['groups_evaluated']}/{counts['groups']}", "green" if finished else "")


def _name(cell: Cell) -> str:
    return f"{cell.architecture}, width {cell.width}, {cell.kernel}, rho = {cell.rho}"


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 < seconds < float("inf"):
        raise ValueError
    return seconds
