"""Verdicts on synthetic errors of models with one state and with more."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from mfbench.predictions.verdict import CONTRADICTED, NOT_DECIDED, SUPPORTED
from tests.predictions.cubes import expect, make_cube, study_of, verdict_of

NAME = "exponential_one_state"


def study(*widths: int, nonlinearity: str = "identity") -> Any:
    return study_of(
        kernels={"exponential": {"memory_length": [8, 16]}},
        architectures={
            "x": {"model": "rnn", "widths": list(widths), "options": {"nonlinearity": nonlinearity}}
        },
    )


BOTH = study(1, 4)


def errors(one: float, more: float) -> Any:
    return lambda m: m.wobble * (one if m.state_size == 1 else more)


def test_a_small_error_with_one_state_supports() -> None:
    verdict = expect(verdict_of(NAME, make_cube(BOTH, errors(1e-5, 1e-5))), SUPPORTED)
    assert verdict.effect == pytest.approx(5, abs=0.2)
    assert verdict.runs == 10
    expect(verdict_of(NAME, make_cube(study(1), errors(1e-5, 0))), SUPPORTED)


def test_a_large_error_contradicts_only_if_more_states_do_better() -> None:
    expect(
        verdict_of(NAME, make_cube(BOTH, errors(0.1, 1e-5))), CONTRADICTED, "larger models reach"
    )
    expect(verdict_of(NAME, make_cube(BOTH, errors(0.1, 0.1))), NOT_DECIDED, "training may be")
    expect(verdict_of(NAME, make_cube(study(1), errors(0.1, 0))), NOT_DECIDED, "training may be")


def test_the_worst_length_counts() -> None:
    def error(m: Any) -> float:
        return m.wobble * (0.1 if m.state_size == 1 and m.memory_length == 16 else 1e-6)

    verdict = expect(verdict_of(NAME, make_cube(BOTH, error)), CONTRADICTED, "larger models reach")
    assert verdict.effect == pytest.approx(1, abs=0.2)


def test_seeds_that_differ_decide_nothing() -> None:
    cube = make_cube(BOTH, lambda m: np.inf if m.seed == 0 else 1e-4)
    verdict = expect(verdict_of(NAME, cube), NOT_DECIDED, "contains 2")
    assert verdict.diverged == 2


def test_other_models_are_left_out() -> None:
    expect(verdict_of(NAME, make_cube(study(4), errors(1, 1e-5))), NOT_DECIDED, "one real state")
    tanh = make_cube(study(1, nonlinearity="tanh"), errors(1e-5, 1e-5))
    expect(verdict_of(NAME, tanh), NOT_DECIDED, "linear recurrence")
