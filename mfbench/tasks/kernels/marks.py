"""Marked tasks: the memory holds marked inputs only, and may count its lags in marks.

Each step is marked with probability p (`share`), independently of the input. docs/theory.md,
section 2, derives all formulas.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mfbench.tasks.kernels.memory import window_weights

_NEVER = 1e-9  # lags that a smaller share of scored steps sees count as unseen

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Marks:
    """How a task uses marks.

    Attributes
    ----------
    share : float
        Probability p of a mark, 0 < p <= 1.
    clock : bool
        Whether lags count marked steps; otherwise they count all steps.
    """

    share: float
    clock: bool = False

    @classmethod
    def of(cls, task: Mapping[str, Any]) -> Marks | None:
        """The marks of the section ``task`` of a study; None without marks."""
        share = task.get("marked")
        return None if share is None else cls(share, clock=task["clock"] == "marked")

    def weights(self, length: int, scored_from: int, *, seen: int | None = None) -> Array:
        """Share of the scored steps that see a lag, (T,).

        Parameters
        ----------
        length, scored_from : int
            Sequence length T and first scored step t0.
        seen : int, optional
            Receptive field of a model in steps; lags beyond it count as unseen.
        """
        field = length if seen is None else min(seen, length)
        if not self.clock:
            weights = window_weights(length, scored_from)
            return np.where(np.arange(length) < field, weights, 0.0)
        total, scored = np.zeros(length), length - scored_from
        row = np.zeros(length)
        for t, row in zip(range(field), more_marks(length, self.share), strict=False):
            if t >= scored_from:
                total += row
        total += (length - max(field, scored_from)) * row
        return np.where(total > _NEVER * scored, total / scored, 0.0)

    def linear_kernel(self, k: Array) -> Array:
        """What a linear time-invariant model of x and g can use: E[y_t x_{t-d}] over lag d."""
        if not self.clock:
            return np.asarray(np.sqrt(self.share) * k)
        # x_{t-d} counts with k(s) if step t-d is marked, and s of the d steps after it are.
        exactly = np.eye(1, len(k))[0]
        found = np.empty(len(k))
        for d in range(len(k)):
            found[d] = self.share * (exactly @ k)
            exactly = _one_more(exactly, self.share, before=0.0)
        return found


def task_weights(marks: Marks | None, length: int, scored_from: int) -> Array:
    """Share of the scored steps that see a lag of a task's clock, (T,)."""
    if marks is None:
        return window_weights(length, scored_from)
    return marks.weights(length, scored_from)


def more_marks(length: int, share: float) -> Iterator[Array]:
    """P(more than s of the steps 0..t are marked) over s (T,), for t = 0, 1, ..."""
    row = np.zeros(length)
    while True:
        row = _one_more(row, share, before=1.0)
        yield row


def _one_more(row: Array, share: float, *, before: float) -> Array:
    """Probabilities over a number of marks after one more step; `before` is the value at -1."""
    shifted = np.concatenate([[before], row[:-1]])
    return np.asarray((1.0 - share) * row + share * shifted)
