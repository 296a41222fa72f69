"""Schedules of learning rates and validations, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from mfbench.study.training import Schedule
from mfbench.training.schedule import learning_rate_factor, validation_steps


def factors(steps: int, **changes: object) -> list[float]:
    schedule = Schedule.model_validate(changes)
    return [learning_rate_factor(i, steps=steps, schedule=schedule) for i in range(steps)]


def test_the_warm_up_is_linear_and_the_cosine_ends_at_the_final_share() -> None:
    f = factors(200, warm_up=0.1, final=0.05)
    np.testing.assert_allclose(f[:20], np.arange(1, 21) / 20)
    assert f[20] == pytest.approx(1.0)
    assert f[-1] == pytest.approx(0.05)
    assert np.all(np.diff(f[20:]) < 0)
    assert f[20 + 90] == pytest.approx((1 + 0.05) / 2, abs=0.01)  # halfway down


def test_a_constant_schedule_stays_at_the_peak() -> None:
    assert factors(10, name="constant", warm_up=0.2) == [0.5, 1.0] + [1.0] * 8


@pytest.mark.parametrize("warm_up", [0.0, 1.0])
@pytest.mark.parametrize("steps", [1, 2, 7])
def test_factors_stay_within_zero_and_one(steps: int, warm_up: float) -> None:
    assert all(0 < f <= 1 for f in factors(steps, warm_up=warm_up))


def test_validations_are_spaced_in_log_step_and_include_both_ends() -> None:
    steps = validation_steps(1000, 4)
    assert steps == [1, 10, 100, 1000]
    assert validation_steps(5, 100) == [1, 2, 3, 4, 5]
    assert validation_steps(50, 1) == [1, 50]
    assert validation_steps(1, 10) == [1]
