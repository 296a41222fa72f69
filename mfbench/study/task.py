"""Section `task`: the sequences, their input, and the steps that are scored."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import (
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    field_validator,
    model_validator,
)

from mfbench.study.section import Section, Seed

# The time to compute floors grows with the cube of the length.
_LONGEST = 4096


class Input(Section):
    """The white input x: independent over time, with mean 0 and variance 1."""

    distribution: Literal["normal", "uniform", "rademacher"] = Field(
        "normal", description="Distribution of each x_t; rademacher is a fair sign."
    )


class Sequences(Section):
    """Number of sequences in each split; the splits come from independent streams."""

    train: int = Field(4096, ge=1, description="Sequences to train on.")
    validation: int = Field(256, ge=1, description="Sequences to select on.")
    test: int = Field(1024, ge=2, description="Sequences to report on.")


class TaskSettings(Section):
    """Settings that all kernels of a study share."""

    length: int = Field(128, ge=4, description="Sequence length T in steps, 4096 at most.")
    scored_from: NonNegativeInt = Field(
        default_factory=lambda given: given["length"] // 2,
        description="First scored step t0; default: half of the length.",
    )
    input: Input = Input()
    noise: NonNegativeFloat = Field(
        0.0,
        description="Standard deviation of white noise on training and validation targets, "
        "relative to the standard deviation of the target. Test targets have no noise.",
    )
    sequences: Sequences = Sequences()
    seed: Seed = Field(0, description="Seed of all inputs and noise.")

    @field_validator("length")
    @classmethod
    def _has_floors(cls, length: int) -> int:
        if length > _LONGEST:
            raise ValueError(
                f"{length} is more than {_LONGEST} steps: the floors of one task would take "
                "longer than the six hours of their job"
            )
        return length

    @model_validator(mode="after")
    def _scores_something(self) -> Self:
        if self.scored_from >= self.length:
            raise ValueError(
                f"scored_from = {self.scored_from} leaves nothing to score in {self.length} steps"
            )
        return self
