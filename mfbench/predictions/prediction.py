"""The definition of a prediction: source, statement and rule."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mfbench.predictions.cells import Cell
    from mfbench.predictions.verdict import Verdict


# The statistics of all rules were revised on this day, after results on earlier seeds had been
# seen. Studies have used new seeds since (docs/theory.md, section 8).
REVISED = "2026-11-27"


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """One prediction and the rule by which a study decides it.

    Attributes
    ----------
    title : str
        Short title for tables.
    paper, link, where : str
        Authors, year and title; URL; the part of the paper that makes the prediction.
    statement : str
        The prediction in the terms of mfbench.
    needs : str
        The cells that decide it.
    rule : str
        Statistic and verdict in words.
    fixed : str
        The day (ISO 8601) on which the rule was fixed, before anyone saw the numbers it judges.
    judge : callable
        ``judge(cells) -> Verdict``; raises NotDecidedError if cells are missing.
    replaces : str
        An earlier rule, its verdict, and why it was dropped. The new rule is judged on members
        that were trained after it was fixed.
    """

    title: str
    paper: str
    link: str
    where: str
    statement: str
    needs: str
    rule: str
    fixed: str
    judge: Callable[[Sequence[Cell]], Verdict]
    replaces: str = ""
