"""The spectrum term of kernels with known rank, and verdicts on synthetic orderings."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from mfbench.predictions.cells import cells
from mfbench.predictions.spectrum_ordering import agreement, spectrum_term
from mfbench.predictions.verdict import CONTRADICTED, NOT_DECIDED, SUPPORTED
from tests.predictions.cubes import Member, expect, make_cube, study_of, verdict_of

NAME = "spectrum_ordering"
LINEAR = {"model": "dilated_convolution", "layers": 6, "options": {"kernel_size": 2}}
FAMILIES = ("exponential", "impulse", "polynomial", "damped", "airy")
STUDY = study_of(
    kernels={family: {"memory_length": [16, 24, 32]} for family in FAMILIES},
    architectures={"a": {**LINEAR, "widths": [1, 2]}},
)


def hard(m: Member) -> float:
    """Errors ordered by rank: exponential and impulse have rank 1, damped 2, the others more."""
    order = {"exponential": 1e-5, "impulse": 1e-5, "polynomial": 1e-3, "damped": 1e-5, "airy": 1e-1}
    return 1e-2 if (m.kernel, m.width) == ("damped", 1) else order[m.kernel]


def test_exponential_and_impulse_have_rank_one_and_a_damped_oscillation_two() -> None:
    for cell in cells(make_cube(STUDY, lambda m: 0.1)):
        if cell.kernel in ("exponential", "impulse") or (cell.kernel, cell.width) == ("damped", 2):
            assert spectrum_term(cell) < 1e-12
        else:
            assert spectrum_term(cell) > 1e-6


def test_the_term_of_two_layers_is_the_error_of_the_best_low_rank_matrix() -> None:
    """Two layers have one cut, so the theorem of Eckart and Young gives the term."""
    two = study_of(
        kernels={"airy": {"memory_length": [8]}},
        architectures={
            "a": {
                **LINEAR,
                "layers": 2,
                "widths": [1, 2],
                "options": {"kernel_size": 3, "dilation_base": 3},
            }
        },
    )
    for cell in cells(make_cube(two, lambda m: 0.1)):
        matrix = cell.data.memory_function.values[:9].reshape(3, 3)
        u, s, v = np.linalg.svd(matrix)
        near = (u[:, : cell.width] * s[: cell.width]) @ v[: cell.width]
        assert spectrum_term(cell) == pytest.approx(((matrix - near) ** 2).sum())


def test_the_predicted_order_supports() -> None:
    verdict = expect(verdict_of(NAME, make_cube(STUDY, lambda m: hard(m) * m.wobble)), SUPPORTED)
    assert verdict.effect == 1
    assert verdict.runs == 3 * 2 * 5 * 5
    assert verdict.p <= 2 * 2 / 120 * 1.01  # the two of rank 1 may be swapped


def test_the_opposite_order_contradicts() -> None:
    cube = make_cube(STUDY, lambda m: 1e-7 / hard(m) * m.wobble)
    assert expect(verdict_of(NAME, cube), CONTRADICTED).effect == 0


def test_an_unrelated_order_decides_nothing() -> None:
    turn = itertools.cycle([1, -1])
    sign = {(w, m): next(turn) for w in (1, 2) for m in (16, 24, 32)}
    cube = make_cube(STUDY, lambda m: 1e-3 * hard(m) ** (0.5 * sign[m.width, m.memory_length]))
    expect(verdict_of(NAME, cube), NOT_DECIDED, "more families")


def test_four_families_decide_nothing_even_in_perfect_order() -> None:
    four = study_of(
        kernels={f: {"memory_length": [16, 24, 32]} for f in FAMILIES if f != "damped"},
        architectures={"a": {**LINEAR, "widths": [1, 2]}},
    )
    assert expect(verdict_of(NAME, make_cube(four, hard)), NOT_DECIDED, "4 families").effect == 1


def test_ties_count_half() -> None:
    verdict = expect(verdict_of(NAME, make_cube(STUDY, lambda m: 1e-9)), NOT_DECIDED)
    assert verdict.effect == 0.5


def test_the_share_is_compared_with_all_orders_of_the_families() -> None:
    # Family 2 is harder than 0 and 1, in truth and in one of two groups. By hand:
    errors = np.array([[0.0, 0.0, 1.0], [0.0, 2.0, 1.0]])
    shares = agreement(errors, [[(2, 0), (2, 1)], [(2, 0), (2, 1)]])
    assert shares[0] == pytest.approx(3 / 4)
    # Family 2 gets the errors of family 1: (0.5 + 0) / 2 in the first group, 1 in the second; those
    # of family 0: (0.5 + 0) / 2 and 0. Either comes in two orders.
    assert sorted(shares) == pytest.approx([1 / 8, 1 / 8, 5 / 8, 5 / 8, 3 / 4, 3 / 4])


def test_enough_channels_leave_nothing_to_order() -> None:
    wide = study_of(
        kernels={family: {"memory_length": [16, 24, 32]} for family in FAMILIES},
        architectures={"a": {**LINEAR, "widths": [16]}},
    )
    expect(verdict_of(NAME, make_cube(wide, hard)), NOT_DECIDED, "found 0")


def test_convolutions_outside_the_theorem_are_left_out() -> None:
    for change in ({"activation": "relu"}, {"options": {"kernel_size": 3}}):
        other = study_of(
            kernels={"airy": {"memory_length": [16]}}, architectures={"a": LINEAR | change}
        )
        expect(verdict_of(NAME, make_cube(other, lambda m: 0.1)), NOT_DECIDED, "linear TCN")
