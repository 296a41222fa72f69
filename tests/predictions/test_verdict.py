"""The answers that intervals give."""

from __future__ import annotations

import pytest

from mfbench.predictions.intervals import Interval
from mfbench.predictions.verdict import CONTRADICTED, NOT_DECIDED, SUPPORTED, Verdict, compare


@pytest.mark.parametrize(
    ("low", "high", "answer"),
    [(0.3, 0.4, SUPPORTED), (0.1, 0.2, CONTRADICTED), (0.2, 0.3, NOT_DECIDED)],
)
def test_the_whole_interval_must_lie_on_one_side(low: float, high: float, answer: str) -> None:
    assert compare(Interval((low + high) / 2, low, high, ""), 0.25)[0] == answer


def test_an_interval_that_touches_the_margin_decides_nothing() -> None:
    assert compare(Interval(0.0, 0.0, 0.0, ""), 0.0)[0] == NOT_DECIDED


def test_a_verdict_needs_a_reason_and_an_effect_within_its_interval() -> None:
    with pytest.raises(ValueError, match="needs a reason"):
        Verdict(verdict=NOT_DECIDED, reason="")
    with pytest.raises(ValueError, match="lies outside"):
        Verdict(verdict=SUPPORTED, reason="luck", effect=3.0, low=0.0, high=1.0)
    with pytest.raises(ValueError, match="lies outside"):
        Verdict(verdict=CONTRADICTED, reason="no number at all")
