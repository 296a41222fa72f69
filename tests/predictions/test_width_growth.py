"""Needed states by hand, and growth made up."""

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
    """An error of 0.01 at that state size, falling as its fourth power."""
    return float(0.01 * m.wobble * (state / m.state_size) ** 4)


def growing(m: Member) -> float:
    return reaches(m, m.memory_length / 4 if m.kernel == "polynomial" else 1)


def test_the_state_is_read_between_two_sizes() -> None:
    # The log error is -1.5 at 2 and -2.5 at 4, so that -2 lies in the middle of their logarithms.
    assert needed_state([1, 2, 4], [-1.0, -1.5, -2.5]) == pytest.approx(np.sqrt(8))
    assert needed_state([1, 2, 4], [-2.1, -1.0, -1.0]) == 1
    assert needed_state([1, 2, 4], [-1.0, -1.0, -1.9]) == 8


def test_growth_of_polynomial_alone_supports() -> None:
    verdict = expect(verdict_of(NAME, make_cube(STUDY, growing)), SUPPORTED)
    assert verdict.effect == pytest.approx(2, abs=0.15)  # from 1 to 4 states
    assert verdict.runs == 2 * 2 * 4 * 5


def test_equal_growth_contradicts() -> None:
    cube = make_cube(STUDY, lambda m: reaches(m, m.memory_length / 4))
    assert expect(verdict_of(NAME, cube), CONTRADICTED).effect == pytest.approx(0, abs=0.01)


def test_growth_in_some_seeds_decides_nothing() -> None:
    cube = make_cube(STUDY, lambda m: growing(m) if m.seed < 2 else reaches(m, 1))
    expect(verdict_of(NAME, cube), NOT_DECIDED, "reaches over 0.25")


def test_an_exponential_that_is_not_learned_says_nothing_about_width() -> None:
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
