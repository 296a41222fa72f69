"""Verdicts on synthetic errors for real and complex initial poles."""

from __future__ import annotations

from typing import Any

import pytest

from mfbench.predictions.verdict import CONTRADICTED, NO_EFFECT, NOT_DECIDED, SUPPORTED
from tests.predictions.cubes import expect, make_cube, study_of, verdict_of

NAME = "ssm_initialisation"


def study(*inits: str) -> Any:
    return study_of(
        kernels={"impulse": {"rho": [4, 8]}},
        architectures={
            f"model-{i}": {"model": "s4d", "widths": [2], "options": {"state": 4, "init": init}}
            for i, init in enumerate(inits)
        },
    )


ALL = study("real", "lin", "inv", "legs")


def errors(ratio: float) -> Any:
    return lambda m: 0.01 * m.wobble * (ratio if m.options["init"] == "real" else 1)


def test_a_larger_error_of_real_poles_supports() -> None:
    verdict = expect(verdict_of(NAME, make_cube(ALL, errors(10))), SUPPORTED)
    assert verdict.effect == pytest.approx(1)
    assert verdict.runs == 4 * 2 * 5


def test_equal_errors_are_no_effect_and_a_smaller_one_contradicts() -> None:
    expect(verdict_of(NAME, make_cube(ALL, errors(1))), NO_EFFECT)
    expect(verdict_of(NAME, make_cube(ALL, errors(0.1))), CONTRADICTED)


def test_seeds_that_differ_decide_nothing() -> None:
    cube = make_cube(ALL, lambda m: errors(100 if m.seed < 2 else 0.5)(m))
    expect(verdict_of(NAME, cube), NOT_DECIDED, "contains 0 and 0.3")


def test_one_kind_alone_decides_nothing() -> None:
    expect(verdict_of(NAME, make_cube(study("real"), errors(1))), NOT_DECIDED, "complex poles")
    expect(verdict_of(NAME, make_cube(study("lin"), errors(1))), NOT_DECIDED, "real poles")
