"""Failed cells in few lines: those with the same reason stand together."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import TYPE_CHECKING

from mfbench.words import counted

if TYPE_CHECKING:
    from mfbench.study.study import Study
    from mfbench.workflow.status import CellStatus, StudyStatus


def failures(status: StudyStatus) -> list[str]:
    """Two lines for each reason: the first cell that failed for it, and its log."""
    reasons: dict[tuple[str, str], list[CellStatus]] = defaultdict(list)
    for cell in status.of("failed"):
        reasons[cell.architecture, cell.message].append(cell)
    found = []
    for (_, message), cells in reasons.items():
        more = f" and {counted(len(cells) - 1, 'other cell')}" if cells[1:] else ""
        found.append(f"{cells[0]}{more}: {message}\n    see {cells[0].log}")
    return found


def failed_lines(study: Study, status: StudyStatus) -> Iterator[str]:
    """How many cells of a study failed, why, and what to do; nothing if none did."""
    if not (cells := status.of("failed")):
        return
    yield f"{counted(len(cells), 'cell')} of {len(status.cells)} failed and count as no result:"
    yield from (f"  {line}" for line in failures(status))
    models = dict.fromkeys(study.architectures[cell.architecture].model for cell in cells)
    yield f"to look closer: {', '.join(f'`mfbench check {model}`' for model in models)}"
