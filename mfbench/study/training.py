"""Section `training`: how every cell of a study is trained."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import (
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    ValidationError,
    ValidatorFunctionWrapHandler,
    field_validator,
)

from mfbench.study.section import Distinct, Section

Fraction = Annotated[float, Field(ge=0, le=1)]

# How a job runs: no member's numbers depend on it, and changing it reruns nothing. (Members that
# are still to be trained do follow the device, and their checkpoints are kept apart by it; files
# record what they were trained on.)
EXECUTION = frozenset(
    {"device", "checkpoints", "cells_per_job", "ensemble_size", "jobs_per_gpu", "broken"}
)
# Sequences that are validated at once; does not change the result beyond rounding.
VALIDATION_BATCH = 256


class Optimiser(Section):
    """AdamW: Loshchilov & Hutter, arXiv 1711.05101."""

    name: Literal["adamw"] = "adamw"
    betas: tuple[Annotated[float, Field(ge=0, lt=1)], Annotated[float, Field(ge=0, lt=1)]] = (
        0.9,
        0.999,
    )
    epsilon: PositiveFloat = 1e-8
    weight_decay: NonNegativeFloat = Field(
        0.0, description="Decoupled decay of weight matrices; never of biases or SSM parameters."
    )
    ssm_learning_rate_factor: NonNegativeFloat = Field(
        0.5, description="Learning rate of the state dynamics relative to that of the rest."
    )


class Schedule(Section):
    """Learning rate over the steps, as a share of its peak."""

    name: Literal["cosine", "constant"] = "cosine"
    warm_up: Fraction = Field(0.05, description="Share of the steps with a linear rise.")
    final: Fraction = Field(0.02, description="Learning rate at the end (cosine only).")


class Loss(Section):
    """What is minimised; validation and test always use the plain mean squared error.

    ``time_power`` p weighs the residual at step t by v_t, proportional to (t + 1)^p and 1 in the
    mean over the scored steps: the loss is the mean of (v_t (yhat_t - y_t))^2. This is the rescaled
    error of Wang & Yan, arXiv 2307.11462, as in their code: p = 0 is the plain mean squared error,
    p > 0 counters its preference for short memory. For a linear model under white input the loss is
    sum_s W_s (k_s - h_s)^2, where W_s is the sum of v_t^2 over the scored steps t >= s divided by
    their number: it falls with s whatever the weights, and the later the larger p is. Up to
    s = task.scored_from it does not fall at all: a study of p should score from step 0.
    """

    name: Literal["mse"] = "mse"
    time_power: float = Field(
        0.0, description="Power p of the weight (t + 1)^p of the residual at step t."
    )


class Checkpoints(Section):
    """How often a running member is saved, so that a killed job goes on where it was."""

    minutes: NonNegativeFloat = Field(2.0, description="Minutes between two checkpoints.")


def merged(settings: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Nested settings with some of their keys replaced."""
    return {
        key: merged(value, changes[key])
        if key in changes and isinstance(value, Mapping) and isinstance(changes[key], Mapping)
        else changes.get(key, value)
        for key, value in settings.items()
    }


class TrainingSettings(Section):
    """How a cell is trained: its members are all pairs of learning rate and seed."""

    steps: PositiveInt = Field(2000, description="Optimiser steps of each member.")
    batch_size: PositiveInt = Field(64, description="Sequences in one step.")
    learning_rates: Annotated[list[PositiveFloat], Field(min_length=1), Distinct] = Field(
        [1e-3, 1e-2], description="Peak learning rates; the best one is selected on validation."
    )
    seeds: Annotated[list[NonNegativeInt], Field(min_length=1), Distinct] = Field(
        [0, 1, 2], description="Seeds of initialisation and batch order."
    )
    loss: Loss = Loss()
    optimiser: Optimiser = Optimiser()
    schedule: Schedule = Schedule()
    gradient_clipping: PositiveFloat | None = Field(
        1.0, description="Largest norm of a member's gradient; null for none."
    )
    validations: PositiveInt = Field(
        20, description="Number of validations, at steps spaced evenly in log(step)."
    )
    memory_probes: NonNegativeInt = Field(
        32,
        description="Number of (input, scored step) pairs whose Jacobian is averaged at each "
        "validation to the memory function learned so far; 0 leaves it out.",
    )
    diverged_above: PositiveFloat = Field(
        1e4, description="A member whose relative validation error exceeds this has diverged."
    )
    device: Literal["auto", "cpu", "cuda"] = Field(
        "auto", description="auto: the GPU where there is one."
    )
    checkpoints: Checkpoints = Checkpoints()
    broken: Literal["record", "stop"] = Field(
        "record",
        description="What to do when an architecture's own code breaks: record its cells as failed "
        "and go on, or stop the study.",
    )
    cells_per_job: Literal["auto"] | PositiveInt = Field(
        "auto",
        description="Levels of one architecture, width and kernel that one job trains, at most; "
        "auto: all of them, or as many as one core trains in about two hours.",
    )
    ensemble_size: Literal["auto"] | PositiveInt = Field(
        "auto",
        description="Members that a job trains together, at most; auto: as many as fit into the "
        "job's share of a GPU, or into the caches of a CPU. The numbers of a member differ from "
        "those alone by rounding.",
    )
    jobs_per_gpu: PositiveInt = Field(
        8,
        description="Training jobs that share one GPU of this machine; each may use an equal share "
        "of its memory.",
    )

    @field_validator("cells_per_job", "ensemble_size", mode="wrap")
    @classmethod
    def _one_error_for_both_types(cls, value: Any, check: ValidatorFunctionWrapHandler) -> Any:
        try:
            return check(value)
        except ValidationError:
            raise ValueError(f"{value!r} is neither auto nor a whole number from 1 on") from None


class TrainingChanges(Section):
    """What is trained differently for one architecture; what is left out is as in `training`."""

    loss: Loss = Loss()
    optimiser: Optimiser = Optimiser()
    schedule: Schedule = Schedule()

    def given(self) -> dict[str, Any]:
        """The changes alone."""
        return self.model_dump(exclude_unset=True)
