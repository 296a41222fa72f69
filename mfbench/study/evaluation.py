"""Section `evaluation`: what is measured on the trained models."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt

from mfbench.study.section import Distinct, Section


class Plateau(Section):
    """What counts as a plateau of the validation error (`plateau_length`)."""

    fall: PositiveFloat = Field(
        0.05, description="A fall of the relative validation error by this much ends a plateau."
    )
    until: PositiveFloat = Field(
        0.1, description="Relative validation error at which the task counts as learned."
    )


class Perturbations(Section):
    """Random changes of the trained weights."""

    relative_norms: Annotated[list[NonNegativeFloat], Field(min_length=1), Distinct] = Field(
        [0.0, 0.001, 0.01, 0.1],
        description="Norms of the change, relative to the norm of all weights; 0: no change.",
    )
    repeats: PositiveInt = Field(
        5, description="Number of random directions; the median error over them is reported."
    )
    sequences: PositiveInt = Field(
        64, description="Maximum number of test sequences to measure the error on."
    )


class EvaluationSettings(Section):
    """What is measured on every trained member."""

    batch_size: PositiveInt = Field(
        256, description="Sequences per batch; does not change results."
    )
    probes: PositiveInt = Field(
        256,
        description="Number of (input, scored step) pairs whose Jacobians are averaged for a first "
        "estimate of a nonlinear model's memory function; the test sequences then correct it. "
        "Linear models are probed at every scored step. In marked tasks: number of new sequences "
        "whose correlations give that estimate.",
    )
    thresholds: Annotated[list[PositiveFloat], Field(min_length=1), Distinct] = Field(
        [0.01, 0.1, 0.5],
        description="Relative validation errors; the first step that reaches each is reported.",
    )
    success: PositiveFloat = Field(
        0.1, description="A member succeeds if its relative test error is below this."
    )
    plateau: Plateau = Plateau()
    perturbations: Perturbations = Perturbations()
    length_factors: Annotated[list[Annotated[int, Field(ge=2)]], Field(min_length=1), Distinct] = (
        Field(
            [2, 4],
            description="Sequence lengths to test on without retraining, as multiples of T.",
        )
    )
    length_sequences: PositiveInt = Field(
        64, description="Number of new test sequences at each length."
    )
