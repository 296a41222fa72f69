"""Growth by hand, and verdicts on synthetic growth."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from mfbench.predictions.verdict import CONTRADICTED, NO_EFFECT, NOT_DECIDED, SUPPORTED
from mfbench.predictions.width_growth import growth
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
    """An error that falls by a factor of 30 for each time that the state grows by `state`."""
    return float(0.3 * m.wobble * 30 ** (-m.state_size / state))


def growing(m: Member) -> float:
    return reaches(m, m.memory_length / 8 if m.kernel == "polynomial" else 0.5)


def test_growth_counts_whole_sizes_over_all_fixed_errors() -> None:
    # Long: 2 states from -1 on, 4 from -3 on. Short: 1 state from -2 on, 2 from -4 on.
    exponential = [-9.0, -9.0, -9.0]
    errors = np.array([[-1.0, -3.0, -5.0], [-2.0, -4.0, -5.0], exponential, exponential])
    by_hand = (1 * 1 + 0 * 1 + 1 * 1 + 0 * 1) / 4  # -1 to -2: 2/1; 2/2; 4/2; 4/4
    assert growth([1, 2, 4], errors) == pytest.approx(by_hand)
    both = np.array([*errors[:2], [-1.0, -3.0, -9.0], [-2.0, -4.0, -9.0]])  # exponentials grow too
    assert growth([1, 2, 4], both) == pytest.approx(0)
    bumpy = np.array([*errors[:2], [-9.0, -6.0, -9.0], errors[3]])  # a larger model can do as much
    assert growth([1, 2, 4], bumpy) == pytest.approx(by_hand)


def test_growth_for_polynomial_memory_only_supports() -> None:
    verdict = expect(verdict_of(NAME, make_cube(STUDY, growing)), SUPPORTED)
    assert verdict.effect > 0.5
    assert verdict.runs == 2 * 2 * 4 * 5


def test_equal_growth_is_no_effect_and_growth_of_exponentials_contradicts() -> None:
    cube = make_cube(STUDY, lambda m: reaches(m, m.memory_length / 8))
    assert expect(verdict_of(NAME, cube), NO_EFFECT).effect == pytest.approx(0, abs=0.01)

    def turned(m: Member) -> float:
        return reaches(m, m.memory_length / 8 if m.kernel == "exponential" else 1)

    expect(verdict_of(NAME, make_cube(STUDY, turned)), CONTRADICTED)


def test_growth_in_some_seeds_only_decides_nothing() -> None:
    cube = make_cube(STUDY, lambda m: growing(m) if m.seed < 2 else reaches(m, 0.5))
    expect(verdict_of(NAME, cube), NOT_DECIDED, "contains 0")


@pytest.mark.parametrize(
    "error",
    [
        lambda m: 1e-7,  # one state is enough
        lambda m: 0.99,  # none is
        lambda m: np.inf,
        # One state is not quite enough, two are: the first rule took this for growth.
        lambda m: reaches(m, 1) if m.state_size == 1 else 1e-3,
        # A long exponential is not learned: training is the limit.
        lambda m: 0.3 if (m.kernel, m.memory_length) == ("exponential", 16) else growing(m),
    ],
    ids=["all", "none", "diverged", "between", "training"],
)
def test_sizes_that_resolve_no_growth_decide_nothing(error: Any) -> None:
    expect(verdict_of(NAME, make_cube(STUDY, error)), NOT_DECIDED, "in 5 of 5 runs")


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
