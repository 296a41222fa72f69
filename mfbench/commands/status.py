"""``mfbench status``: how many cells of a study are done, running, failed, diverged or missing."""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table
from rich.text import Text

from mfbench.commands.study_status import StudyStatus, study_status
from mfbench.study.study import Study, read_study
from mfbench.study.training import MEMBERS

_SHOWN = 10  # lines of each listing without --failed
_COLOURS = {"running": "cyan", "failed": "red", "diverged": "yellow", "missing": "bright_black"}


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to those of ``mfbench``."""
    parser = commands.add_parser(
        "status",
        help="count the cells of a study that are done, running, failed, diverged or missing",
        description="Count the cells of a study by their state, and change nothing. Call it in the "
        "folder in which Snakemake runs. The exit code is 2 if the study file is unusable, else 0.",
    )
    parser.add_argument("study", nargs="?", default="config.yaml", help="study file (config.yaml)")
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--json", action="store_true", help="print all that is known as JSON")
    how.add_argument("--watch", type=_seconds, metavar="SECONDS", help="update it that often")
    parser.add_argument(
        "--failed", action="store_true", help=f"list all failed cells, not just {_SHOWN}"
    )
    parser.set_defaults(run=run)


def _seconds(text: str) -> float:
    if not 0 < (seconds := float(text)) < float("inf"):
        raise ValueError
    return seconds


def run(given: argparse.Namespace) -> int:
    """Print the status, and return the exit code."""
    try:
        study = read_study(given.study)
    except (OSError, ValueError) as error:
        sys.stderr.write(f"mfbench status: {error}\n")
        return 2
    if given.json:
        sys.stdout.write(json.dumps(document(study, study_status(study)), indent=1) + "\n")
        return 0
    console = Console(highlight=False, markup=False, emoji=False)
    limit = None if given.failed else _SHOWN
    with suppress(KeyboardInterrupt):
        show(console, study, study_status(study), limit=limit)
        while given.watch:
            time.sleep(given.watch)
            status = study_status(study)
            console.clear()
            show(console, study, status, limit=limit)
    return 0


def document(study: Study, status: StudyStatus) -> dict[str, Any]:
    """The status in JSON's types: counts of cells, and all cells with the fields of `CellStatus`.

    ``done``, ``running``, ``failed``, ``diverged`` and ``missing`` add up to ``cells``.
    """
    counts = status.counts()
    return {
        "study": study.name,
        "results": study.results,
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "members_per_cell": math.prod(len(getattr(study.training, axis)) for axis in MEMBERS),
        "total": counts["", ""],
        "counts": [
            {"architecture": a, "kernel": k, **n} for (a, k), n in counts.items() if a and k
        ],
        "cells": [vars(cell) for cell in status.cells],
        "problems": status.problems,
    }


def show(console: Console, study: Study, status: StudyStatus, *, limit: int | None) -> None:
    """Print a table with a row per architecture, and then the cells that need attention.

    At most `limit` lines of each listing are shown, or all if it is None.
    """
    counts = status.counts()
    total = counts["", ""]
    table = Table(box=SIMPLE, show_footer=True, show_edge=False, padding=(0, 1, 0, 0))
    table.add_column("", "all", overflow="fold")
    for kernel in study.kernels:
        table.add_column(kernel, _cells(counts["", kernel]), min_width=len(kernel))
    table.add_column("all", _cells(total))
    table.add_column("evaluated", _share(total, "evaluated", "cells"), no_wrap=True)
    for name in study.architectures:
        cells = [_cells(counts[name, kernel]) for kernel in (*study.kernels, "")]
        evaluated = _share(counts[name, ""], "evaluated", "cells")
        table.add_row(Text(name, "bold"), *cells, evaluated)
    console.print(f"{study.name}: {total['cells']} cells in {study.results}", style="bold")
    console.print(table)
    console.print("\ndone/cells; r running, f failed, d diverged, m missing")
    summary = ", ".join(f"{total[state]} {state}" for state in ("done", *_COLOURS))
    members = total["diverged_members"]
    console.print(summary + (f"; members that diverged: {members}" if members else ""))
    listings: dict[str, Sequence[object]] = {
        "failed": [f"{c}: {c.message}\n    see {c.log}" for c in status.of("failed")],
        "interrupted, to be continued by the next run": status.of("interrupted"),
        "outdated, trained with settings other than the study's": status.of("outdated"),
        "unreadable files": status.problems,
    }
    for title, lines in listings.items():
        if lines:
            console.print(f"\n{len(lines)} {title}:", style="bold")
        for line in lines[:limit]:
            console.print(f"  {line}")
        if more := len(lines) - len(lines[:limit]):
            console.print(f"  and {more} more: --failed shows all")


def _cells(counts: Mapping[str, int]) -> Text:
    text = _share(counts, "done", "cells")
    for state, colour in _COLOURS.items():
        if counts[state]:
            text.append(f" {counts[state]}{state[0]}", colour)
    return text


def _share(counts: Mapping[str, int], part: str, whole: str) -> Text:
    complete = counts[part] == counts[whole]
    return Text(f"{counts[part]}/{counts[whole]}", "green" if complete else "")
