"""Section `training`: how every cell of a study is trained."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import (
    BeforeValidator,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    ValidationError,
    ValidatorFunctionWrapHandler,
    field_validator,
)

from mfbench.study.section import Distinct, Section, Seed

Fraction = Annotated[float, Field(ge=0, le=1)]

# How a job runs. These settings change a member's numbers by rounding at most, so changing them
# reruns nothing. (A new device applies to members that are not trained yet. Checkpoints are kept
# per device, and files record it.)
EXECUTION = frozenset(
    {"device", "checkpoints", "cells_per_job", "ensemble_size", "jobs_per_gpu", "broken"}
)
# A cell has one member for each combination of these lists.
MEMBERS = ("steps", "learning_rates", "seeds")
# Sequences per validation batch; changes results only by rounding.
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
        0.5, description="Learning rate of the state dynamics, relative to all other parameters."
    )


class Schedule(Section):
    """Learning rate over the steps, as a share of its peak."""

    name: Literal["cosine", "constant"] = "cosine"
    warm_up: Fraction = Field(
        0.05, description="Share of the steps with a linear rise to the peak."
    )
    final: Fraction = Field(0.02, description="Share of the peak at the end (cosine only).")


class Loss(Section):
    """The loss in training; validation and test always use the plain mean squared error.

    ``time_power`` p weights the residual at step t by v_t, which is proportional to (t + 1)^p and
    has mean 1 over the scored steps. The loss is the mean of (v_t (yhat_t - y_t))^2. This is the
    rescaled error of Wang & Yan, arXiv 2307.11462, as in their code: p = 0 is the plain mean
    squared error, p > 0 counters its preference for short memory.

    For a linear model under white input the loss is sum_s W_s (k_s - h_s)^2. W_s is the sum of
    v_t^2 over the scored steps t >= s, divided by the number of all scored steps. It never rises
    with s, falls later for a larger p, and is constant up to s = task.scored_from. So a study of p
    should score from step 0.
    """

    name: Literal["mse"] = "mse"
    time_power: float = Field(
        0.0, description="Power p of the weight (t + 1)^p of the residual at step t."
    )


class Checkpoints(Section):
    """How often running members are saved, so that a killed job can resume."""

    minutes: NonNegativeFloat = Field(2.0, description="Minutes between two checkpoints.")


def merged(settings: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Nested settings with some of their keys replaced."""
    return {
        key: merged(value, changes[key])
        if key in changes and isinstance(value, Mapping) and isinstance(changes[key], Mapping)
        else changes.get(key, value)
        for key, value in settings.items()
    }


# A single number stands for a list of one.
OneOrMore = BeforeValidator(
    lambda value: value if isinstance(value, list) else [value],
    json_schema_input_type=PositiveInt | list[PositiveInt],
)


class TrainingSettings(Section):
    """How a cell is trained: its members are all (steps, learning rate, seed)."""

    steps: Annotated[list[PositiveInt], Field(min_length=1), Distinct, OneOrMore] = Field(
        [2000],
        description="Optimiser steps of each member. Several numbers are budgets: each member is "
        "trained once with each, from the start and with its own schedule.",
    )
    batch_size: PositiveInt = Field(64, description="Sequences per step.")
    learning_rates: Annotated[list[PositiveFloat], Field(min_length=1), Distinct] = Field(
        [1e-3, 1e-2], description="Peak learning rates; validation selects the best one."
    )
    seeds: Annotated[list[Seed], Field(min_length=1), Distinct] = Field(
        [0, 1, 2], description="Seeds of initialisation and batch order."
    )
    loss: Loss = Loss()
    optimiser: Optimiser = Optimiser()
    schedule: Schedule = Schedule()
    gradient_clipping: PositiveFloat | None = Field(
        1.0, description="Maximum norm of a member's gradient; null: no clipping."
    )
    validations: PositiveInt = Field(
        20, description="Number of validations, at steps spaced evenly in log(step)."
    )
    memory_probes: NonNegativeInt = Field(
        32,
        description="Number of (input, scored step) pairs whose Jacobians are averaged at each "
        "validation to estimate the memory function learned so far; in marked tasks, number of "
        "sequences whose correlations give it; 0: no estimate.",
    )
    diverged_above: float = Field(
        1e4,
        gt=1,
        description="A member diverges if its validation error exceeds this many times the larger "
        "of 1, the error of predicting zero, and its loss before the first step.",
    )
    device: Literal["auto", "cpu", "cuda"] = Field(
        "auto", description="auto: the GPU, if the machine has one."
    )
    checkpoints: Checkpoints = Checkpoints()
    broken: Literal["record", "stop"] = Field(
        "record",
        description="What to do if an architecture's own code breaks: record its cells as failed "
        "and go on, or stop the study.",
    )
    cells_per_job: Literal["auto"] | PositiveInt = Field(
        "auto",
        description="Maximum number of levels, of one architecture, width and kernel, that one job "
        "trains; auto: all of them, or as many as one core trains in about two hours.",
    )
    ensemble_size: Literal["auto"] | PositiveInt = Field(
        "auto",
        description="Maximum number of members that a job trains together; auto: as many as fit "
        "into the job's share of a GPU, or into the caches of a CPU. It changes a member's numbers "
        "only by rounding.",
    )
    jobs_per_gpu: PositiveInt = Field(
        8,
        description="Number of training jobs that share one GPU of this machine, with an equal "
        "share of its memory each.",
    )

    @field_validator("cells_per_job", "ensemble_size", mode="wrap")
    @classmethod
    def _one_error_for_both_types(cls, value: Any, check: ValidatorFunctionWrapHandler) -> Any:
        try:
            return check(value)
        except ValidationError:
            raise ValueError(f"{value!r} is neither auto nor a positive whole number") from None


class TrainingChanges(Section):
    """Changes to the training section for one architecture; omitted keys stay as they are."""

    loss: Loss = Loss()
    optimiser: Optimiser = Optimiser()
    schedule: Schedule = Schedule()

    def given(self) -> dict[str, Any]:
        """The keys that the study gives, without defaults."""
        return self.model_dump(exclude_unset=True)
