"""Section `evaluation`: what is measured on the trained models."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, PositiveFloat, PositiveInt

from mfbench.config.section import Distinct, Section


class Plateau(Section):
    """What counts as a plateau of the validation error (mfbench.statistics.plateau_length)."""

    fall: PositiveFloat = Field(
        0.05, description="Fall of the relative validation error that ends a plateau."
    )
    until: PositiveFloat = Field(
        0.1, description="Relative validation error from which on the task counts as learned."
    )


class EvaluationSettings(Section):
    """What is measured on every trained member."""

    batch_size: PositiveInt = Field(256, description="Sequences at once; does not change results.")
    probes: PositiveInt = Field(
        256,
        description="Number of (input, scored step) pairs whose Jacobian is averaged to the "
        "learned memory function of a nonlinear model; linear models are probed at every step.",
    )
    thresholds: Annotated[list[PositiveFloat], Field(min_length=1), Distinct] = Field(
        [0.5, 0.1, 0.01], description="Relative validation errors whose first step is reported."
    )
    plateau: Plateau = Plateau()
