"""What ``mfbench status`` shows: a table, listings, or JSON."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table
from rich.text import Text

from mfbench.commands.failures import failures
from mfbench.study.study import Study
from mfbench.study.training import MEMBERS
from mfbench.words import counted
from mfbench.workflow.status import StudyStatus

SHOWN = 10  # lines of each listing without --failed
_COLOURS = {
    "running": "cyan",
    "failed": "red",
    "diverged": "yellow",
    "extended": "blue",
    "missing": "bright_black",
}


def document(study: Study, status: StudyStatus) -> dict[str, Any]:
    """The status in JSON's types: counts of cells, and all cells with the fields of `CellStatus`.

    ``done``, ``running``, ``failed``, ``diverged``, ``extended`` and ``missing`` add up to
    ``cells``.
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

    Failed cells with the same reason stand together. At most `limit` lines of each listing are
    shown, or all if it is None.
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
    console.print(
        f"{study.name}: {counted(total['cells'], 'cell')} in {study.results}", style="bold"
    )
    console.print(table)
    console.print("\ndone/cells; r running, f failed, d diverged, e extended, m missing")
    summary = ", ".join(f"{total[state]} {state}" for state in ("done", *_COLOURS))
    console.print(summary)
    members = {"diverged": total["diverged_members"], "to train": total["members_to_train"]}
    if any(members.values()):
        console.print("members: " + ", ".join(f"{n} {what}" for what, n in members.items() if n))
    listings: dict[str, Sequence[object]] = {
        "failed": failures(status),
        "interrupted, to be continued by the next run": status.of("interrupted"),
        "extended; members that are trained are kept": [
            f"{c}: {counted(c.members_to_train, 'member')} to train" for c in status.of("extended")
        ],
        "outdated, trained with settings other than the study's": status.of("outdated"),
        "unreadable file" if len(status.problems) == 1 else "unreadable files": status.problems,
    }
    for title, lines in listings.items():
        if lines:
            count = total["failed"] if title == "failed" else len(lines)
            console.print(f"\n{count} {title}:", style="bold")
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
