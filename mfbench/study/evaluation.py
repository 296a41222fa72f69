"""Section `evaluation`: what is measured on the trained models."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt

from mfbench.study.section import Distinct, Section


class Plateau(Section):
    """What counts as a plateau of the validation error (`plateau_length`)."""

    fall: PositiveFloat = Field(
        0.05, description="Fall of the relative validation error that ends a plateau."
    )
    until: PositiveFloat = Field(
        0.1, description="Relative validation error from which on the task counts as learned."
    )


class Perturbations(Section):
    """Random changes of the trained weights."""

    relative_norms: Annotated[list[NonNegativeFloat], Field(min_length=1), Distinct] = Field(
        [0.0, 0.001, 0.01, 0.1],
        description="Norms of the change relative to that of all weights; 0 is the trained model.",
    )
    repeats: PositiveInt = Field(5, description="Random directions; their median is reported.")
    sequences: PositiveInt = Field(
        64, description="Test sequences to measure it on, all where there are fewer."
    )


class EvaluationSettings(Section):
    """What is measured on every trained member."""

    batch_size: PositiveInt = Field(256, description="Sequences at once; does not change results.")
    probes: PositiveInt = Field(
        256,
        description="Number of (input, scored step) pairs whose Jacobian is averaged to a first "
        "estimate of a nonlinear model's memory function, which the test sequences then correct; "
        "linear models are probed at every step.",
    )
    thresholds: Annotated[list[PositiveFloat], Field(min_length=1), Distinct] = Field(
        [0.01, 0.1, 0.5], description="Relative validation errors whose first step is reported."
    )
    success: PositiveFloat = Field(
        0.1, description="A member succeeds where its relative test error is below this."
    )
    plateau: Plateau = Plateau()
    perturbations: Perturbations = Perturbations()
    length_factors: Annotated[list[Annotated[int, Field(ge=2)]], Field(min_length=1), Distinct] = (
        Field(
            [2, 4],
            description="Lengths to test on without retraining, relative to that of training.",
        )
    )
    length_sequences: PositiveInt = Field(64, description="New test sequences at each length.")
