"""Intervals agree with closed forms and have the coverage they claim."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from mfbench.cube.intervals import (
    Interval,
    difference_interval,
    mean_interval,
    share_difference_interval,
    share_interval,
)


def test_the_interval_of_the_mean_agrees_with_the_t_table() -> None:
    # t(0.95, 2) = 2.91999; the standard error of 1, 2, 3 is 1 / sqrt(3).
    found = mean_interval(np.array([1.0, 2.0, 3.0]))
    half = 2.919986 / np.sqrt(3)
    assert (found.value, found.low, found.high) == pytest.approx((2, 2 - half, 2 + half))
    assert "3 seeds" in found.method


@pytest.mark.parametrize("resolution", [0.05, 0.5])
def test_seeds_that_agree_do_not_make_an_effect_certain(resolution: float) -> None:
    found = mean_interval(np.ones(5), resolution)
    half = 2.131847 * resolution / np.sqrt(12 * 5)  # t(0.95, 4)
    assert (found.low, found.value, found.high) == pytest.approx((1 - half, 1, 1 + half))


@pytest.mark.parametrize(
    "found",
    [
        mean_interval(np.array([1.0, 2.0, 4.0])),
        difference_interval(np.array([1.0, 2.0, 4.0]), np.array([3.0, 3.5])),
        share_interval(3, 10),
        share_difference_interval(4, 5, 1, 9),
    ],
    ids=["mean", "difference", "share", "share difference"],
)
def test_the_p_value_is_five_percent_at_the_ends_of_the_interval(found: Interval) -> None:
    assert found.at_most(found.low) == pytest.approx(0.05, abs=1e-6)
    assert 1 - found.at_most(found.high) == pytest.approx(0.05, abs=1e-6)


def test_the_interval_of_a_share_is_jeffreys() -> None:
    found = share_interval(3, 10)
    assert (found.low, found.high) == pytest.approx(tuple(stats.beta(3.5, 7.5).ppf([0.05, 0.95])))
    assert share_interval(0, 4).low == 0
    assert share_interval(4, 4).high == 1
    assert share_interval(4, 4).low == pytest.approx(stats.beta(4.5, 0.5).ppf(0.05))


def test_the_interval_of_a_share_difference_agrees_with_draws(rng: np.random.Generator) -> None:
    draws = rng.beta(4.5, 1.5, 200_000) - rng.beta(1.5, 8.5, 200_000)
    found = share_difference_interval(4, 5, 1, 9)
    assert (found.low, found.high) == pytest.approx(
        tuple(np.quantile(draws, [0.05, 0.95])), abs=0.01
    )
    turned = share_difference_interval(1, 9, 4, 5)
    assert (turned.low, turned.high) == pytest.approx((-found.high, -found.low), abs=1e-3)
    certain = share_difference_interval(5, 5, 0, 5)
    assert certain.low < certain.value == certain.high == 1


def test_intervals_over_five_seeds_have_ninety_percent_coverage(rng: np.random.Generator) -> None:
    inside = [
        (found := mean_interval(rng.normal(0, 1, 5))).low < 0 < found.high for _ in range(2000)
    ]
    assert np.mean(inside) == pytest.approx(0.9, abs=0.03)


@pytest.mark.parametrize("values", [[1.0], [1.0, np.inf], [np.nan, 0.0]])
def test_too_few_or_infinite_values_are_refused(values: list[float]) -> None:
    with pytest.raises(ValueError, match="at least two values, all finite"):
        mean_interval(np.array(values))


@pytest.mark.parametrize(("successes", "trials"), [(0, 0), (3, 2), (-1, 2)])
def test_impossible_shares_are_refused(successes: int, trials: int) -> None:
    with pytest.raises(ValueError, match="impossible"):
        share_interval(successes, trials)
