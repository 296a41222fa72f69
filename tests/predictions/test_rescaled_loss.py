"""Two studies that differ in the loss, with errors at late lags made up."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import xarray as xr

from mfbench.predictions.verdict import CONTRADICTED, NOT_DECIDED, SUPPORTED
from tests.predictions.cubes import Member, expect, make_cube, study_of, verdict_of

NAME = "rescaled_loss"


def cube_of(power: float, late: Any, *, scored_from: int = 0, steps: int = 1000) -> xr.Dataset:
    """Models whose memory function is too small by a factor from M99 / 2 on, and right before."""
    study = study_of(
        name=f"power-{power:g}",
        task={
            "length": 32,
            "scored_from": scored_from,
            "sequences": {"train": 64, "validation": 8, "test": 8},
        },
        kernels={"polynomial": {"memory_length": [8, 12]}},
        architectures={"rnn": {}},
        training={"learning_rates": [0.01], "loss": {"time_power": power}, "steps": steps},
    )

    def learned(m: Member, k: Any) -> Any:
        return np.where(np.arange(len(k)) < m.memory_length // 2, k, k * (1 - late(m)))

    return make_cube(study, lambda m: np.inf if late(m) > 1 else 0.1, learned=learned)


PLAIN = cube_of(0, lambda m: 0.5 * m.wobble)


def test_smaller_late_errors_support() -> None:
    verdict = expect(verdict_of(NAME, PLAIN, cube_of(1, lambda m: 0.05 * m.wobble)), SUPPORTED)
    assert verdict.effect == pytest.approx(2)  # a tenth of the amplitude
    assert verdict.runs == 2 * 2 * 5


def test_equal_late_errors_contradict() -> None:
    expect(verdict_of(NAME, PLAIN, cube_of(1, lambda m: 0.5 * m.wobble)), CONTRADICTED)


def test_seeds_that_differ_or_diverge_decide_nothing() -> None:
    mixed = cube_of(1, lambda m: 2.0 if m.seed == 0 else 0.1)
    assert expect(verdict_of(NAME, PLAIN, mixed), NOT_DECIDED, "reaches over 0.1").diverged == 2


def test_one_study_alone_says_what_it_needs_beside_it() -> None:
    rescaled = cube_of(1, lambda m: 0.1)
    expect(verdict_of(NAME, rescaled), NOT_DECIDED, "python -m mfbench.predictions")
    expect(verdict_of(NAME, PLAIN), NOT_DECIDED, "time_power > 0")


def test_studies_that_differ_in_more_than_the_loss_are_not_compared() -> None:
    longer = cube_of(1, lambda m: 0.05, steps=2000)
    expect(verdict_of(NAME, PLAIN, longer), NOT_DECIDED, "differ only in the training loss")
    late = [cube_of(p, lambda m: 0.1, scored_from=16) for p in (0, 1)]
    expect(verdict_of(NAME, *late), NOT_DECIDED, "scored_from = 0")
