"""Verdicts on synthetic errors at late lags, for cells that differ in the loss."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import xarray as xr

from mfbench.predictions.verdict import CONTRADICTED, NO_EFFECT, NOT_DECIDED, SUPPORTED
from tests.predictions.cubes import Member, expect, make_cube, study_of, verdict_of

NAME = "rescaled_loss"
RESCALED = {"model": "rnn", "training": {"loss": {"time_power": 1}}}


def cube_of(
    late: Callable[[Member], float],
    *,
    scored_from: int = 0,
    architectures: dict[str, Any] | None = None,
) -> xr.Dataset:
    """A cube of memory functions that are exact before lag M99 / 2 and too small from there on."""
    study = study_of(
        task={
            "length": 32,
            "scored_from": scored_from,
            "sequences": {"train": 64, "validation": 8, "test": 8},
        },
        kernels={"polynomial": {"memory_length": [8, 12]}},
        architectures=architectures or {"rnn": {}, "rescaled": RESCALED},
    )

    def learned(m: Member, k: Any) -> Any:
        return np.where(np.arange(len(k)) < m.memory_length // 2, k, k * (1 - late(m)))

    return make_cube(study, lambda m: np.inf if late(m) > 1 else 0.01, learned=learned)


def with_loss(plain: float, rescaled: float) -> Callable[[Member], float]:
    return lambda m: (rescaled if m.time_power else plain) * m.wobble


def test_smaller_late_errors_support() -> None:
    verdict = expect(verdict_of(NAME, cube_of(with_loss(0.5, 0.05))), SUPPORTED)
    assert verdict.effect == pytest.approx(2)  # a tenth of the amplitude
    assert verdict.runs == 2 * 2 * 5


def test_equal_late_errors_are_no_effect_and_larger_ones_contradict() -> None:
    expect(verdict_of(NAME, cube_of(with_loss(0.5, 0.5))), NO_EFFECT)
    expect(verdict_of(NAME, cube_of(with_loss(0.05, 0.5))), CONTRADICTED)


def test_seeds_that_differ_or_diverge_decide_nothing() -> None:
    def mixed(m: Member) -> float:
        if not m.time_power:
            return 0.5 * m.wobble
        return 2.0 if m.seed == 0 else 0.1

    verdict = expect(verdict_of(NAME, cube_of(mixed)), NOT_DECIDED, "contains 0 and 0.1")
    assert verdict.diverged == 2


def test_the_reason_names_the_missing_loss() -> None:
    plain = cube_of(with_loss(0.1, 0.1), architectures={"rnn": {}})
    expect(verdict_of(NAME, plain), NOT_DECIDED, "time_power > 0")
    rescaled = cube_of(with_loss(0.1, 0.1), architectures={"rescaled": RESCALED})
    expect(verdict_of(NAME, rescaled), NOT_DECIDED, "plain loss")


def test_cells_that_differ_in_more_than_the_loss_are_not_compared() -> None:
    other = {"model": "rnn", "training": {"loss": {"time_power": 1}, "schedule": {"warm_up": 0.2}}}
    cube = cube_of(with_loss(0.5, 0.05), architectures={"rnn": {}, "other": other})
    expect(verdict_of(NAME, cube), NOT_DECIDED, "differ only in the training loss")
    late = cube_of(with_loss(0.5, 0.05), scored_from=16)
    expect(verdict_of(NAME, late), NOT_DECIDED, "scored_from = 0")
