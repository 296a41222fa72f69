"""Verdicts on synthetic errors with perturbed weights."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from mfbench.predictions.verdict import CONTRADICTED, NO_EFFECT, NOT_DECIDED, SUPPORTED
from tests.predictions.cubes import Member, expect, make_cube, study_of, verdict_of

NAME = "stable_approximation"
STUDY = study_of(
    kernels={k: {"memory_length": [8, 16]} for k in ("exponential", "polynomial")},
    architectures={"x": {"model": "rnn"}},
)


def disturbed(polynomial: Any, exponential: Any) -> Any:
    def error(m: Member, beta: float) -> float:
        cost = (polynomial if m.kernel == "polynomial" else exponential)(m)
        return 0.001 + m.wobble * (cost if beta == 0.1 else 0)

    return make_cube(STUDY, lambda m: 0.001, perturbed=error)


def test_a_larger_cost_of_polynomial_supports() -> None:
    verdict = expect(verdict_of(NAME, disturbed(lambda m: 0.1, lambda m: 0.01)), SUPPORTED)
    assert verdict.effect == pytest.approx(1)
    assert verdict.runs == 2 * 2 * 5


def test_a_smaller_cost_contradicts() -> None:
    expect(verdict_of(NAME, disturbed(lambda m: 0.005, lambda m: 0.01)), CONTRADICTED)


def test_the_unperturbed_error_does_not_matter() -> None:
    """Equal costs are added to very different errors."""
    learned = {"polynomial": 1e-3, "exponential": 1e-7}
    cube = make_cube(
        STUDY,
        lambda m: learned[m.kernel],
        perturbed=lambda m, beta: learned[m.kernel] + 0.01 * m.wobble,
    )
    assert expect(verdict_of(NAME, cube), NO_EFFECT).effect == pytest.approx(0, abs=1e-9)


def test_seeds_that_differ_decide_nothing() -> None:
    cube = disturbed(lambda m: 0.1 if m.seed < 2 else 0.005, lambda m: 0.01)
    expect(verdict_of(NAME, cube), NOT_DECIDED, "contains 0 and 0.1")


def test_the_reason_names_missing_data() -> None:
    expect(
        verdict_of(NAME, make_cube(STUDY, lambda m: 0.001)), NOT_DECIDED, "no perturbation_error"
    )
    unlearned = make_cube(STUDY, lambda m: 0.5, perturbed=lambda m, beta: 0.5)
    expect(verdict_of(NAME, unlearned), NOT_DECIDED, "learned polynomial memory")
    linear = study_of(
        kernels={k: {"memory_length": [8]} for k in ("exponential", "polynomial")},
        architectures={"x": {"model": "rnn", "options": {"nonlinearity": "identity"}}},
    )
    cube = make_cube(linear, lambda m: 0.001, perturbed=lambda m, beta: 0.002)
    expect(verdict_of(NAME, cube), NOT_DECIDED, "nonlinear RNN")


def test_a_perturbation_without_cost_counts_as_rounding() -> None:
    cube = disturbed(lambda m: 0.0, lambda m: 0.01)
    verdict = expect(verdict_of(NAME, cube), CONTRADICTED)
    assert verdict.effect == pytest.approx(
        -8 - np.mean(np.log10([0.01 * (1 + 0.1 * s) for s in range(5)]))
    )
