"""The budget, learning rate and seed that identify a member of a cell."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import product
from typing import NamedTuple

from mfbench.study.training import TrainingSettings


class Run(NamedTuple):
    """One training run of a cell, with its budget, its peak learning rate and its seed."""

    steps: int
    learning_rate: float
    seed: int

    @property
    def name(self) -> str:
        """Its part of file and tensor names; repr keeps any two learning rates apart."""
        return f"steps={self.steps},learning_rate={self.learning_rate!r},seed={self.seed}"


def runs_of(settings: TrainingSettings) -> Sequence[Run]:
    """All runs of each cell of a study."""
    return [Run(*run) for run in product(settings.steps, settings.learning_rates, settings.seeds)]


def axes_of(runs: Iterable[Run]) -> tuple[list[int], list[float], list[int]]:
    """Budgets, learning rates and seeds of some runs, ascending."""
    steps, rates, seeds = (sorted(set(values)) for values in zip(*runs, strict=True))
    return steps, rates, seeds
