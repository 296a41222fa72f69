"""What the numbers of a study say about a prediction."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from mfbench.predictions.intervals import Estimate

SUPPORTED: Literal["supported"] = "supported"
CONTRADICTED: Literal["contradicted"] = "contradicted"
NOT_DECIDED: Literal["not decided by this study"] = "not decided by this study"

Answer = Literal["supported", "contradicted", "not decided by this study"]


class NotDecidedError(Exception):
    """A study lacks what a prediction needs; the message says what, in words."""


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """A verdict with what it rests on.

    Attributes
    ----------
    verdict : str
        supported, contradicted, or not decided by this study.
    reason : str
        Why, in a sentence.
    effect, low, high : float
        Effect size and the ends of its 90 % interval; NaN where there is none.
    effect_name, unit : str
        What the effect is. It is counted in the direction of the prediction.
    method : str
        How the interval was made.
    runs : int
        Number of trained members that the effect rests on, diverged ones included.
    diverged : int
        How many of them diverged.
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
        estimate: Estimate,
        answer: tuple[Answer, str],
        *,
        effect_name: str,
        unit: str,
        runs: int,
        diverged: int,
    ) -> Verdict:
        """A verdict on an estimated effect, with the answer that `compare` gives and its reason."""
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
                f"the effect {self.effect:g} lies outside of its interval "
                f"{self.low:g}..{self.high:g}"
            )


def compare(estimate: Estimate, margin: float) -> tuple[Answer, str]:
    """The answer of an interval about a margin, and the reason in words.

    Supported where the whole interval lies above the margin, contradicted where the whole interval
    lies below, and not decided where it reaches over it.

    Parameters
    ----------
    estimate : Estimate
        An effect that is counted in the direction of the prediction.
    margin : float
        The smallest effect that counts as the predicted one.
    """
    if estimate.low > margin:
        return SUPPORTED, f"the whole interval lies above {margin:g}"
    if estimate.high < margin:
        return CONTRADICTED, f"the whole interval lies below {margin:g}"
    return NOT_DECIDED, f"the interval reaches over {margin:g}: more seeds would narrow it"
