"""The answers that intervals give."""

from __future__ import annotations

import pytest
from scipy import stats

from mfbench.cube.intervals import Interval
from mfbench.predictions.verdict import (
    CONTRADICTED,
    NO_EFFECT,
    NOT_DECIDED,
    SUPPORTED,
    Verdict,
    compare,
)


def normal(low: float, high: float) -> Interval:
    middle = (low + high) / 2
    error = stats.norm(middle, (high - low) / 2 / stats.norm.ppf(0.95))
    return Interval(middle, low, high, "", lambda x: float(error.cdf(x)))


@pytest.mark.parametrize(
    ("low", "high", "answer", "p"),
    [
        (0.3, 0.4, SUPPORTED, 0.002),
        (0.26, 9.0, SUPPORTED, 0.1),
        (0.1, 0.2, NO_EFFECT, 0.002),
        (-0.24, 0.24, NO_EFFECT, 0.1),
        (-0.2, -0.1, NO_EFFECT, 0.002),
        (-0.4, -0.1, CONTRADICTED, 0.01),
        (0.2, 0.3, NOT_DECIDED, None),
        (-0.3, 0.2, NOT_DECIDED, None),
        (-0.3, 0.3, NOT_DECIDED, None),
    ],
)
def test_an_answer_needs_a_whole_interval(
    low: float, high: float, answer: str, p: float | None
) -> None:
    found = compare(normal(low, high), 0.25)
    assert found.verdict == answer
    assert found.p <= p if p else found.reason.startswith("the interval contains 0")


def test_a_verdict_needs_a_reason_a_p_value_and_an_effect_within_its_interval() -> None:
    with pytest.raises(ValueError, match="needs a reason"):
        Verdict(verdict=NOT_DECIDED, reason="")
    with pytest.raises(ValueError, match="needs p"):
        Verdict(verdict=CONTRADICTED, reason="no number at all")
    with pytest.raises(ValueError, match="lies outside"):
        Verdict(verdict=SUPPORTED, reason="luck", p=0.01, effect=3.0, low=0.0, high=1.0)
