"""The verdict of a study on a prediction."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from mfbench.predictions.intervals import Interval

SUPPORTED: Literal["supported"] = "supported"
CONTRADICTED: Literal["contradicted"] = "contradicted"
NOT_DECIDED: Literal["not decided by this study"] = "not decided by this study"

Answer = Literal["supported", "contradicted", "not decided by this study"]


class NotDecidedError(Exception):
    """A study lacks what a prediction needs; the message says what."""


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """A verdict, its reason and the effect behind it.

    Attributes
    ----------
    verdict : str
        supported, contradicted, or not decided by this study.
    reason : str
        Why, in a sentence.
    effect, low, high : float
        Effect size and its 90 % interval; NaN if there is no effect.
    effect_name, unit : str
        Name and unit of the effect, which is positive in the direction of the prediction.
    method : str
        Method behind the interval.
    runs : int
        Number of trained members behind the effect, diverged ones included.
    diverged : int
        Number of them that diverged.
    """

    verdict: Answer
    reason: str
    effect: float = float("nan")
    low: float = float("nan")
    high: float = float("nan")
    effect_name: str = ""
    unit: str = ""
    method: str = ""
    runs: int = 0
    diverged: int = 0

    @classmethod
    def of(
        cls,
        estimate: Interval,
        answer: tuple[Answer, str],
        *,
        effect_name: str,
        unit: str,
        runs: int,
        diverged: int,
    ) -> Verdict:
        """Build a verdict from an estimated effect and the answer and reason of `compare`."""
        return cls(
            verdict=answer[0],
            reason=answer[1],
            effect=estimate.value,
            low=estimate.low,
            high=estimate.high,
            effect_name=effect_name,
            unit=unit,
            method=estimate.method,
            runs=runs,
            diverged=diverged,
        )

    def __post_init__(self) -> None:
        if not self.reason:
            raise ValueError("a verdict needs a reason")
        if self.verdict != NOT_DECIDED and not self.low <= self.effect <= self.high:
            raise ValueError(
                f"the effect {self.effect:g} lies outside its interval {self.low:g}..{self.high:g}"
            )


def compare(estimate: Interval, margin: float) -> tuple[Answer, str]:
    """Compare an interval with a margin: the answer and its reason.

    Supported if the whole interval lies above the margin, contradicted if the whole interval
    lies below, and not decided if it contains the margin.

    Parameters
    ----------
    estimate : Interval
        An effect that is positive in the direction of the prediction.
    margin : float
        The smallest effect that supports the prediction.
    """
    if estimate.low > margin:
        return SUPPORTED, f"the whole interval lies above {margin:g}"
    if estimate.high < margin:
        return CONTRADICTED, f"the whole interval lies below {margin:g}"
    return NOT_DECIDED, f"the interval contains {margin:g}: more seeds would narrow it"
