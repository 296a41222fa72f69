"""Needed state sizes by hand, and verdicts on synthetic growth."""

from __future__ import annotations

import numpy as np
import pytest

from mfbench.predictions.verdict import CONTRADICTED, NOT_DECIDED, SUPPORTED
from mfbench.predictions.width_growth import needed_state
from tests.predictions.cubes import Member, expect, make_cube, study_of, verdict_of

NAME = "width_growth"
LENGTHS = [4, 8, 16]
STUDY = study_of(
    kernels={k: {"memory_length": LENGTHS} for k in ("exponential", "polynomial")},
    architectures={
        "x": {"model": "rnn", "widths": [1, 2, 4, 8], "options": {"nonlinearity": "identity"}}
    },
)


def reaches(m: Member, state: float) -> float:
    """An error that reaches 0.01 at the given state size and falls with its fourth power."""
    return float(0.01 * m.wobble * (state / m.state_size) ** 4)


def growing(m: Member) -> float:
    return reaches(m, m.memory_length / 4 if m.kernel == "polynomial" else 1)


def test_the_state_size_is_interpolated_on_a_log_scale() -> None:
    # The log error is -1.5 at 2 and -2.5 at 4, so it is -2 at their geometric mean.
    assert needed_state([1, 2, 4], [-1.0, -1.5, -2.5]) == pytest.approx(np.sqrt(8))
    assert needed_state([1, 2, 4], [-2.1, -1.0, -1.0]) == 1
    assert needed_state([1, 2, 4], [-1.0, -1.0, -1.9]) == 8


def test_growth_for_polynomial_memory_only_supports() -> None:
    verdict = expect(verdict_of(NAME, make_cube(STUDY, growing)), SUPPORTED)
    assert verdict.effect == pytest.approx(2, abs=0.15)  # from 1 to 4 states
    assert verdict.runs == 2 * 2 * 4 * 5


def test_equal_growth_contradicts() -> None:
    cube = make_cube(STUDY, lambda m: reaches(m, m.memory_length / 4))
    assert expect(verdict_of(NAME, cube), CONTRADICTED).effect == pytest.approx(0, abs=0.01)


def test_growth_in_some_seeds_only_decides_nothing() -> None:
    cube = make_cube(STUDY, lambda m: growing(m) if m.seed < 2 else reaches(m, 1))
    expect(verdict_of(NAME, cube), NOT_DECIDED, "contains 0.25")


def test_an_exponential_that_is_not_learned_decides_nothing() -> None:
    def untrained(m: Member) -> float:
        lost = m.kernel == "exponential" and m.memory_length == 16
        return (np.inf if m.seed else 0.3) if lost else growing(m)

    expect(verdict_of(NAME, make_cube(STUDY, untrained)), NOT_DECIDED, "training is the limit")


def test_too_few_sizes_or_lengths_decide_nothing() -> None:
    for widths, lengths in (([1, 2], LENGTHS), ([1, 2, 4], [4, 8])):
        small = study_of(
            kernels={k: {"memory_length": lengths} for k in ("exponential", "polynomial")},
            architectures={
                "x": {"model": "rnn", "widths": widths, "options": {"nonlinearity": "identity"}}
            },
        )
        expect(verdict_of(NAME, make_cube(small, growing)), NOT_DECIDED, "3 state sizes")
    tanh = study_of(
        kernels={k: {"memory_length": LENGTHS} for k in ("exponential", "polynomial")},
        architectures={"rnn": {"widths": [1, 2, 4]}},
    )
    expect(verdict_of(NAME, make_cube(tanh, growing)), NOT_DECIDED, "linear recurrence")
