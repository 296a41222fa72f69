"""Passages and bends by hand, and curves that leave a plateau when a test says so."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from mfbench.predictions.plateau_growth import bend, passage
from mfbench.predictions.verdict import CONTRADICTED, NOT_DECIDED, SUPPORTED
from tests.predictions.cubes import Member, expect, make_cube, study_of, verdict_of

NAME = "plateau_growth"
LAGS = [2, 4, 8, 12, 16]
STEPS = np.unique(np.geomspace(1, 10_000, 60).round())
STUDY = study_of(
    kernels={"impulse": {"rho": LAGS}},
    architectures={"x": {"model": "rnn", "options": {"nonlinearity": "identity"}}},
    training={"learning_rates": [0.01], "steps": 10_000},
)


def cube_of(time: Callable[[Member], float]):
    """Validation errors that fall from 1 to 0 at a time that a test gives."""
    return make_cube(
        STUDY,
        lambda m: np.inf if np.isinf(time(m)) else 0.01,
        curve=lambda m: 1 / (1 + (STEPS / time(m)) ** 8) if np.isfinite(time(m)) else 1.0,
        steps=STEPS,
    )


def test_a_passage_lies_between_two_validated_steps() -> None:
    steps = np.array([1.0, 10.0, 100.0])
    assert passage(steps, np.array([1.0, 0.75, 0.25])) == pytest.approx(10 * np.sqrt(10))
    assert passage(steps, np.array([0.4, 0.75, 0.25])) == 1
    assert np.isnan(passage(steps, np.ones(3)))


def test_a_power_law_has_no_bend_and_an_exponential_has() -> None:
    lags = np.array(LAGS, float)
    assert bend(LAGS, 30 * lags**1.7) == pytest.approx(0, abs=1e-9)
    assert bend(LAGS, 30 * np.exp(lags / 4)) > 0.5


def test_exponential_growth_supports() -> None:
    verdict = expect(
        verdict_of(NAME, cube_of(lambda m: 30 * m.wobble * np.exp(m.rho / 4))), SUPPORTED
    )
    assert verdict.effect == pytest.approx(bend(LAGS, np.exp(np.array(LAGS) / 4)), rel=0.1)
    assert verdict.runs == 25


def test_growth_that_slows_down_contradicts() -> None:
    cube = cube_of(lambda m: 200 * m.wobble * np.log2(m.rho + 1))
    expect(verdict_of(NAME, cube), CONTRADICTED)


def test_a_power_law_decides_nothing() -> None:
    cube = cube_of(
        lambda m: 30 * m.rho ** (1.5 + 0.1 * (m.seed - 2)) * (1 + 0.2 * np.sin(7 * m.seed + m.rho))
    )
    expect(verdict_of(NAME, cube), NOT_DECIDED, "reaches over 0")


def test_a_longest_time_beyond_the_budget_can_support_and_not_contradict() -> None:
    grows = cube_of(lambda m: 30 * m.wobble * np.exp(m.rho / (4 if m.rho < 16 else 2)))
    expect(verdict_of(NAME, grows), SUPPORTED, "lower bound")
    slows = cube_of(
        lambda m: np.inf if m.rho == 16 else (9400 + 50 * m.seed) * np.log2(m.rho + 1) / np.log2(13)
    )
    verdict = expect(verdict_of(NAME, slows), NOT_DECIDED, "only known to be longer")
    assert verdict.diverged == 5


def test_a_lag_beyond_the_state_is_left_out_as_no_training_could_reach_it() -> None:
    small = study_of(
        kernels={"impulse": {"rho": LAGS}},
        architectures={
            "x": {"model": "rnn", "widths": [8], "options": {"nonlinearity": "identity"}}
        },
    )
    cube = make_cube(small, lambda m: 0.01)
    expect(verdict_of(NAME, cube), NOT_DECIDED, "0 have them")


def test_too_few_learned_lags_decide_nothing() -> None:
    cube = cube_of(lambda m: 100.0 if m.rho < 8 else 1e6)
    expect(verdict_of(NAME, cube), NOT_DECIDED, "4 lags")
