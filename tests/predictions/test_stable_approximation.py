"""Errors under disturbed weights made up."""

from __future__ import annotations

from typing import Any

import pytest

from mfbench.predictions.verdict import CONTRADICTED, NOT_DECIDED, SUPPORTED
from tests.predictions.cubes import Member, expect, make_cube, study_of, verdict_of

NAME = "stable_approximation"
STUDY = study_of(
    kernels={k: {"memory_length": [8, 16]} for k in ("exponential", "polynomial")},
    architectures={"x": {"model": "rnn"}},
)


def disturbed(polynomial: Any, exponential: Any) -> Any:
    def error(m: Member, beta: float) -> float:
        factor = (polynomial if m.kernel == "polynomial" else exponential)(m)
        return 0.001 * m.wobble * (factor if beta == 0.1 else 1)

    return make_cube(STUDY, lambda m: 0.001 * m.wobble, perturbed=error)


def test_a_larger_rise_of_polynomial_supports() -> None:
    verdict = expect(verdict_of(NAME, disturbed(lambda m: 100, lambda m: 10)), SUPPORTED)
    assert verdict.effect == pytest.approx(1)
    assert verdict.runs == 2 * 2 * 5


def test_a_smaller_rise_contradicts() -> None:
    expect(verdict_of(NAME, disturbed(lambda m: 5, lambda m: 10)), CONTRADICTED)


def test_seeds_that_differ_decide_nothing() -> None:
    cube = disturbed(lambda m: 100 if m.seed < 2 else 5, lambda m: 10)
    expect(verdict_of(NAME, cube), NOT_DECIDED, "reaches over 0")


def test_what_is_missing_is_named() -> None:
    expect(
        verdict_of(NAME, make_cube(STUDY, lambda m: 0.001)), NOT_DECIDED, "no perturbation_error"
    )
    unlearned = make_cube(STUDY, lambda m: 0.5, perturbed=lambda m, beta: 0.5)
    expect(verdict_of(NAME, unlearned), NOT_DECIDED, "learned polynomial memory")
