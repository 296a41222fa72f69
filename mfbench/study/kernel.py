"""Section `kernels`: which memory functions, and the levels of each."""

from __future__ import annotations

from typing import Annotated, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, PositiveInt, model_validator

from mfbench.files.paths import rho_text
from mfbench.study.section import Distinct, Omissible, Section
from mfbench.tasks.kernels.lookup import families
from mfbench.tasks.kernels.lookup import family as find_family
from mfbench.tasks.kernels.memory import (
    continued,
    memory_function,
    memory_length,
    rho_for_memory_length,
)


class Level(Section):
    """One task of a kernel: its family, `rho`, rounded to 12 digits, and M99."""

    family: str
    rho: float
    memory_length: int


class KernelSettings(Section):
    """The levels of one kernel, given by the knob of its family or by memory lengths."""

    family: str = Field(
        "", description="A registered family or path/to/file.py:FAMILY; default: the entry's name."
    )
    values: str = Field(
        "",
        description="Instead of a family: an array (lag) or (level, lag) in a .npy or NetCDF file.",
    )
    rho: Omissible[Annotated[list[float], Field(min_length=1), Distinct]] = Field(
        None,
        description="Values of the family's own knob; of a file of values, the numbers of its rows "
        "from 0 (default: all).",
    )
    memory_length: Omissible[Annotated[list[PositiveInt], Field(min_length=1), Distinct]] = Field(
        None, description="Effective memory lengths M99 in steps; mfbench solves for rho."
    )

    @model_validator(mode="after")
    def _one_of_the_two(self) -> Self:
        if self.values and self.family:
            raise ValueError("give either family or values")
        if self.values and not self.values.endswith((".npy", ".nc")):
            raise ValueError(f"values: {self.values!r} must be a .npy or NetCDF (.nc) file")
        given = (self.rho is not None) + (self.memory_length is not None)
        if given > 1 or (given < 1 and not self.values):
            raise ValueError("give either rho: [...] or memory_length: [...]")
        return self

    @property
    def reference(self) -> str:
        """The family's name or file."""
        return self.values or self.family

    def levels(
        self, *, length: int, longest: int, most: int, weights: NDArray[np.float64]
    ) -> list[Level]:
        """The levels from easy to hard.

        Parameters
        ----------
        length : int
            Sequence length T.
        longest : int
            Length of the longest test sequences.
        most : int
            The largest memory length that the sequences allow.
        weights : (T,) array
            Window weights.

        Raises
        ------
        ValueError
            A level lies outside the family's domain or is too long for the sequences, or the
            kernel's own file is wrong.
        """
        family = self.reference
        if self.memory_length is not None:
            values = [
                rho_for_memory_length(family, checked_length(m, most), length, weights)
                for m in self.memory_length
            ]
        else:
            values = self.rho or find_family(family).points(length).tolist()
        levels = []
        for value in values:
            rho = float(rho_text(value))
            k = memory_function(family, rho, length, weights)
            if family not in families():
                continued(family, rho, k, longest)
            m99 = checked_length(memory_length(k, weights), most, because=f"rho = {rho:.12g}")
            levels.append(Level(family=family, rho=rho, memory_length=m99))
        if len({level.rho for level in levels}) < len(levels):
            raise ValueError("two levels have the same rho")
        # Levels of the same memory length are in the order of the knob.
        sign = 1 if find_family(family).harder_when_larger else -1
        return sorted(levels, key=lambda v: (v.memory_length, sign * v.rho))


def checked_length(m99: int, most: int, *, because: str = "") -> int:
    """The memory length `m99`, if it is at most `most`; the error names what it comes from."""
    if m99 > most:
        what = f"{because} has memory length {m99}, which" if because else f"memory_length = {m99}"
        raise ValueError(
            f"{what} is longer than half of a sequence (on a marked clock, half of the expected "
            f"number of marked steps): at most {most} is allowed"
        )
    return m99
