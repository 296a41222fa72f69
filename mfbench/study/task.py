"""Sections `task`, the sequences and the steps that are scored, and `floors`."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import (
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    SerializerFunctionWrapHandler,
    field_validator,
    model_serializer,
    model_validator,
)

from mfbench.study.section import Distinct, Omissible, Section, Seed
from mfbench.tasks.kernels.marks import Marks, task_weights

# The time to compute floors grows with the cube of the length.
_LONGEST = 4096


class Input(Section):
    """The white input x: independent over time, with mean 0 and variance 1."""

    distribution: Literal["normal", "uniform", "rademacher"] = Field(
        "normal", description="Distribution of each x_t; rademacher: +1 or -1, equally likely."
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
    marked: Omissible[Annotated[float, Field(gt=0, le=1)]] = Field(
        None,
        description="Probability of a mark. Models see pairs (x, mark) then, and the target "
        "remembers marked inputs only.",
    )
    clock: Literal["steps", "marked"] = Field(
        "steps", description="What the lags of the memory function count: steps or marked steps."
    )
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

    @model_validator(mode="after")
    def _has_a_clock(self) -> Self:
        if self.clock == "marked" and self.marked is None:
            raise ValueError(
                "clock: marked needs marks: add their probability, such as marked: 0.5"
            )
        return self

    @model_serializer(mode="wrap")
    def _without_absent_marks(self, serialised: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """The settings of a task without marks are what they were before there were marks."""
        found: dict[str, Any] = serialised(self)
        if self.marked is None:
            found.pop("marked", None)
            found.pop("clock", None)
        return found

    @property
    def marks(self) -> Marks | None:
        """How the task uses marks; None without marks."""
        return Marks.of(self.model_dump())

    @property
    def channels(self) -> int:
        """Number of input channels."""
        return 1 if self.marked is None else 2

    @property
    def weights(self) -> NDArray[np.float64]:
        """Share of the scored steps that see each lag, (T,)."""
        return task_weights(self.marks, self.length, self.scored_from)

    @property
    def longest_memory(self) -> int:
        """The largest effective memory length that the sequences allow."""
        clock = self.marks is not None and self.marks.clock
        return int((self.marked or 1.0) * self.length) // 2 if clock else self.length // 2

    def for_floors(self) -> dict[str, Any]:
        """The settings on which floors depend: marks matter to them if they are the clock."""
        keys = {"length", "scored_from"} | (
            {"marked", "clock"} if self.clock == "marked" else set()
        )
        return self.model_dump(include=keys)


class FloorSettings(Section):
    """Floors of every task; floors of other state sizes are computed when a model needs them."""

    state_sizes: Annotated[list[PositiveInt], Field(min_length=1), Distinct] = Field(
        [1, 2, 4, 8, 16, 32, 64], description="State sizes whose floors are stored for every task."
    )
    delta: PositiveFloat = Field(
        0.01, description="Relative disturbance of each term in the delta-stable floors."
    )
