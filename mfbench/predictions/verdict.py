"""The verdict of a study on a prediction."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

from mfbench.cube.intervals import LEVEL, Interval

SUPPORTED: Literal["supported"] = "supported"
CONTRADICTED: Literal["contradicted"] = "contradicted"
NO_EFFECT: Literal["no effect within the margin"] = "no effect within the margin"
NOT_DECIDED: Literal["not decided by this study"] = "not decided by this study"

Answer = Literal[
    "supported", "contradicted", "no effect within the margin", "not decided by this study"
]


class NotDecidedError(Exception):
    """A study lacks what a prediction needs; the message says what."""


class Decision(NamedTuple):
    """An answer, its reason in a sentence, and twice its one-sided p-value; NaN if undecided."""

    verdict: Answer
    reason: str
    p: float = float("nan")


def decide(*answers: tuple[Answer, float, str], otherwise: str) -> Decision:
    """Return the first answer that is certain enough for a 90 % interval, or 'not decided'.

    Parameters
    ----------
    *answers : tuple
        Answer, one-sided p-value of the hypothesis that it rejects, and reason.
    otherwise : str
        Reason if nothing is decided.
    """
    for answer, one_sided, reason in answers:
        if 2 * one_sided < 1 - LEVEL:
            return Decision(answer, reason, 2 * one_sided)
    return Decision(NOT_DECIDED, otherwise)


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """A verdict, its reason and the effect behind it.

    Attributes
    ----------
    verdict : str
        supported, contradicted, no effect within the margin, or not decided by this study.
    p : float
        Twice the one-sided p-value of the hypothesis that the verdict rejects.
    effect, low, high : float
        Effect size and its 90 % interval; NaN if there is no effect or no interval.
    unit, effect_name : str
        Unit and name of the effect, which is positive in the direction of the prediction.
    method : str
        Method behind the interval.
    runs : int
        Number of trained members behind the effect, diverged ones included.
    diverged : int
        Number of them that diverged.
    reason : str
        Why, in a sentence.
    """

    verdict: Answer
    p: float = float("nan")
    effect: float = float("nan")
    low: float = float("nan")
    high: float = float("nan")
    unit: str = ""
    effect_name: str = ""
    method: str = ""
    runs: int = 0
    diverged: int = 0
    reason: str

    @classmethod
    def of(
        cls,
        estimate: Interval,
        decision: Decision,
        *,
        effect_name: str,
        unit: str,
        runs: int,
        diverged: int,
    ) -> Verdict:
        """Build a verdict from an estimated effect and the decision about it."""
        return cls(
            **decision._asdict(),
            effect=estimate.value,
            low=estimate.low,
            high=estimate.high,
            unit=unit,
            effect_name=effect_name,
            method=estimate.method,
            runs=runs,
            diverged=diverged,
        )

    def __post_init__(self) -> None:
        if not self.reason:
            raise ValueError("a verdict needs a reason")
        if self.verdict != NOT_DECIDED and not self.p <= 1 - LEVEL:
            raise ValueError(f"a verdict needs p <= {1 - LEVEL:g}, not {self.p:g}")
        if self.effect < self.low or self.effect > self.high:
            raise ValueError(
                f"the effect {self.effect:g} lies outside its interval {self.low:g}..{self.high:g}"
            )


def compare(estimate: Interval, margin: float) -> Decision:
    """Compare the interval of a difference with a margin.

    Supported if the whole interval lies above the margin, no effect if it lies between -margin
    and margin, contradicted if it lies below 0 and reaches beyond -margin. All else is not decided.

    Parameters
    ----------
    estimate : Interval
        An effect that is positive in the direction of the prediction.
    margin : float
        The smallest effect that supports the prediction.
    """
    low, none, high = (estimate.at_most(x) for x in (-margin, 0.0, margin))
    whole = "the whole interval lies"
    ends = [f"{end:g}" for end in (0.0, margin) if estimate.low <= end <= estimate.high]
    return decide(
        (SUPPORTED, high, f"{whole} above {margin:g}"),
        (NO_EFFECT, max(low, 1 - high), f"{whole} within {-margin:g}..{margin:g}"),
        (CONTRADICTED, 1 - none, f"{whole} below 0"),
        otherwise=f"the interval contains {' and '.join(ends)}: more seeds would narrow it",
    )
