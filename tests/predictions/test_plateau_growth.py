"""Passage times and fits by hand, and verdicts on synthetic curves."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from mfbench.predictions.plateau_growth import advantage, passage
from mfbench.predictions.verdict import CONTRADICTED, NO_EFFECT, NOT_DECIDED, SUPPORTED
from tests.predictions.cubes import Member, expect, make_cube, study_of, verdict_of

NAME = "plateau_growth"
LAGS = [2, 4, 6, 8, 12, 16]
STEPS = np.unique(np.geomspace(1, 10_000, 60).round())
STUDY = study_of(
    kernels={"impulse": {"rho": LAGS}},
    architectures={"x": {"model": "rnn", "options": {"nonlinearity": "identity"}}},
    training={"learning_rates": [0.01], "steps": 10_000},
)


def cube_of(time: Callable[[Member], float]):
    """A cube with validation errors that fall from 1 to 0 at a given time."""
    return make_cube(
        STUDY,
        lambda m: np.inf if np.isinf(time(m)) else 0.01,
        curve=lambda m: 1 / (1 + (STEPS / time(m)) ** 8) if np.isfinite(time(m)) else 1.0,
        steps=STEPS,
    )


def test_passage_interpolates_between_validations() -> None:
    steps = np.array([1.0, 10.0, 100.0])
    assert passage(steps, np.array([1.0, 0.75, 0.25])) == pytest.approx(10 * np.sqrt(10))
    assert passage(steps, np.array([0.4, 0.75, 0.25])) == 1
    assert np.isnan(passage(steps, np.ones(3)))


@pytest.mark.parametrize("offset", [0.0, 40.0, 400.0])
def test_misfits_identify_each_shape_at_any_offset(offset: float) -> None:
    lags = np.array(LAGS, float)
    for power in (1.0, 1.5, 2.0, 3.0):
        assert advantage(LAGS, offset + 30 * lags**power) < -0.5
    for rate in (0.15, 0.25, 0.4):
        assert advantage(LAGS, offset + 30 * np.exp(rate * lags)) > 0.5


def noise(m: Member) -> float:
    """Noise of five per cent, different for every member."""
    return float(np.exp(0.05 * np.random.default_rng([m.seed, int(m.rho)]).standard_normal()))


@pytest.mark.parametrize("offset", [0, 300])
def test_exponential_growth_supports(offset: float) -> None:
    cube = cube_of(lambda m: (offset + 30 * np.exp(m.rho / 3)) * noise(m))
    assert expect(verdict_of(NAME, cube), SUPPORTED).runs == 5 * len(LAGS)


@pytest.mark.parametrize("offset", [0, 300])
@pytest.mark.parametrize("power", [1.0, 1.5, 2.0])
def test_a_power_law_is_never_taken_for_an_exponential(power: float, offset: float) -> None:
    cube = cube_of(lambda m: (offset + 20 * m.rho**power) * noise(m))
    assert verdict_of(NAME, cube).verdict != SUPPORTED


def test_a_clear_power_law_contradicts() -> None:
    cube = cube_of(lambda m: 30 * m.wobble * m.rho**1.7)
    expect(verdict_of(NAME, cube), CONTRADICTED)


def test_times_that_follow_neither_shape_are_no_effect() -> None:
    cube = cube_of(lambda m: 100 * (3 + np.sin(7 * m.seed + 5 * m.rho)))
    expect(verdict_of(NAME, cube), NO_EFFECT)


def test_seeds_that_differ_in_shape_decide_nothing() -> None:
    cube = cube_of(lambda m: 30 * (np.exp(m.rho / 3) if m.seed < 2 else m.rho**1.7))
    expect(verdict_of(NAME, cube), NOT_DECIDED, "contains 0 and 0.3")


def test_lags_that_are_not_learned_in_time_are_left_out_and_reported() -> None:
    cube = cube_of(lambda m: np.inf if m.rho == LAGS[-1] else 30 * m.wobble * np.exp(m.rho / 3))
    verdict = expect(verdict_of(NAME, cube), SUPPORTED, "5 of 5 fits leave out lags")
    assert verdict.diverged == 5


def test_lags_beyond_the_state_size_are_left_out() -> None:
    small = study_of(
        kernels={"impulse": {"rho": LAGS}},
        architectures={
            "x": {"model": "rnn", "widths": [8], "options": {"nonlinearity": "identity"}}
        },
    )
    cube = make_cube(small, lambda m: 0.01)
    expect(verdict_of(NAME, cube), NOT_DECIDED, "found 0")


def test_too_few_learned_lags_decide_nothing() -> None:
    cube = cube_of(lambda m: 100.0 if m.rho < 8 else 1e6)
    expect(verdict_of(NAME, cube), NOT_DECIDED, "5 lags")
