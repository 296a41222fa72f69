"""Section `kernels`: the levels of each family."""

from __future__ import annotations

from typing import Annotated, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, PositiveInt, model_validator

from mfbench.files.paths import rho_text
from mfbench.study.section import Distinct, Omissible, Section
from mfbench.tasks.kernels.lookup import family as find_family
from mfbench.tasks.kernels.memory import memory_function, memory_length, rho_for_memory_length


class Level(Section):
    """One task of a kernel: its `rho`, rounded to 12 digits, and its M99."""

    rho: float
    memory_length: int


class KernelSettings(Section):
    """The levels of one family, given by its knob or by memory lengths."""

    rho: Omissible[Annotated[list[float], Field(min_length=1), Distinct]] = Field(
        None, description="Values of the family's own knob."
    )
    memory_length: Omissible[Annotated[list[PositiveInt], Field(min_length=1), Distinct]] = Field(
        None, description="Effective memory lengths M99 in steps; mfbench solves for rho."
    )

    @model_validator(mode="after")
    def _one_of_the_two(self) -> Self:
        if (self.rho is None) == (self.memory_length is None):
            raise ValueError("give either rho: [...] or memory_length: [...]")
        return self

    def levels(self, family: str, length: int, weights: NDArray[np.float64]) -> list[Level]:
        """The levels from easy to hard.

        Raises
        ------
        ValueError
            A level lies outside the family's domain or is too long for the sequences.
        """
        values = self.rho or [
            rho_for_memory_length(family, self._within(m, length), length, weights)
            for m in self.memory_length or []
        ]
        levels = []
        for value in values:
            rho = float(rho_text(value))
            k = memory_function(family, rho, length, weights)
            m99 = self._within(memory_length(k, weights), length, because=f"rho = {rho:.12g}")
            levels.append(Level(rho=rho, memory_length=m99))
        if len({level.rho for level in levels}) < len(levels):
            raise ValueError("two levels have the same rho")
        # The family's knob orders levels of the same memory length.
        sign = 1 if find_family(family).harder_when_larger else -1
        return sorted(levels, key=lambda v: (v.memory_length, sign * v.rho))

    @staticmethod
    def _within(m99: int, length: int, because: str = "") -> int:
        if m99 > length // 2:
            raise ValueError(
                f"{because or f'memory_length = {m99}'}"
                f"{f' has memory length {m99}, which' if because else ''} is longer than half of "
                f"the sequences (task.length = {length}): at most {length // 2} is allowed"
            )
        return m99
