"""Verdicts on synthetic errors for two step sizes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from mfbench.predictions.verdict import CONTRADICTED, NO_EFFECT, NOT_DECIDED, SUPPORTED
from tests.predictions.cubes import expect, make_cube, study_of, verdict_of

NAME = "ssm_step_size"


def study(*steps: tuple[float, float], **changes: Any) -> Any:
    return study_of(
        kernels={"impulse": {"rho": [4, 8]}, "airy": {"memory_length": [8]}},
        architectures={
            f"model-{i}": {
                "model": "s4d",
                "widths": [2],
                "options": {"state": 4, "dt_min": low, "dt_max": high},
            }
            for i, (low, high) in enumerate(steps)
        },
        **changes,
    )


# Geometric means of 0.01 and 0.22: one on each side of 64^(-3/4) = 0.044.
BOTH = study((0.001, 0.1), (0.05, 1.0))


def errors(ratio: float) -> Any:
    return lambda m: 0.01 * m.wobble * (ratio if m.options["dt_max"] < 1 else 1)


def test_a_larger_error_of_small_steps_supports() -> None:
    verdict = expect(verdict_of(NAME, make_cube(BOTH, errors(10))), SUPPORTED)
    assert verdict.effect == pytest.approx(1)
    assert verdict.runs == 2 * 3 * 5


def test_equal_errors_are_no_effect_and_a_smaller_one_contradicts() -> None:
    expect(verdict_of(NAME, make_cube(BOTH, errors(1))), NO_EFFECT)
    expect(verdict_of(NAME, make_cube(BOTH, errors(0.1))), CONTRADICTED)


def test_seeds_that_differ_or_diverge_decide_nothing() -> None:
    cube = make_cube(BOTH, lambda m: np.inf if m.seed == m.options["dt_max"] else errors(3)(m))
    assert expect(verdict_of(NAME, cube), NOT_DECIDED, "contains 0 and 0.3").diverged == 3


def test_one_range_of_steps_decides_nothing() -> None:
    expect(
        verdict_of(NAME, make_cube(study((0.001, 0.1)), errors(1))), NOT_DECIDED, "large initial"
    )
    expect(verdict_of(NAME, make_cube(study((0.1, 0.2)), errors(1))), NOT_DECIDED, "small initial")
