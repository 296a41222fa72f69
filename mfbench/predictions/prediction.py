"""What a published prediction has to say about itself."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mfbench.predictions.cells import Cell
    from mfbench.predictions.verdict import Verdict


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """One prediction and the rule by which a study decides it.

    Attributes
    ----------
    title : str
        A few words for tables.
    paper, link, where : str
        Authors, year and title; address; the part of the paper that says it.
    statement : str
        What it says, in the terms of mfbench.
    needs : str
        The slice of a cube that decides it.
    rule : str
        Statistic and verdict in words.
    fixed : date
        The day on which the rule was fixed, before the numbers that it judges were seen.
    judge : callable
        ``judge(cells) -> Verdict``; raises NotDecidedError where the slice is not there.
    replaces : str
        What an earlier rule was, what it said, and why it has gone. Such a rule is judged on
        members that had not been trained when it was fixed.
    """

    title: str
    paper: str
    link: str
    where: str
    statement: str
    needs: str
    rule: str
    fixed: datetime.date
    judge: Callable[[Sequence[Cell]], Verdict]
    replaces: str = ""
