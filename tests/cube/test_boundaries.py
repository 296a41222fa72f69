"""Failure boundaries: by hand, against slow oracles, and their simulated coverage."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.optimize import isotonic_regression
from scipy.stats import beta

from mfbench.cube.boundaries import Boundary, failure_boundary, falling
from mfbench.evaluation.statistics import select_learning_rates

M = np.array([4.0, 8, 16, 32, 64])
RHO = np.array([3.0, 7, 15, 31, 63])
TRUE = np.linspace(1.5, 6.5, 25)  # log2 of true boundaries, up to half an octave off the grid


def at(*successes: int, trials: int = 5, **options: float) -> Boundary:
    n = len(successes)
    return failure_boundary(M[:n], RHO[:n], successes, [trials] * n, **options)  # type: ignore[arg-type]


def test_all_or_nothing_crosses_halfway_between_the_two_levels() -> None:
    found = at(5, 5, 0, 0, 0)
    assert found.memory_length == pytest.approx(np.sqrt(8 * 16))
    assert found.rho == pytest.approx((7 + 15) / 2)
    assert (found.memory_length_low, found.memory_length_high) == (8, 16)
    assert (found.rho_low, found.rho_high) == (7, 15)
    assert found.censored == "none"


def test_violators_are_pooled_with_the_weight_of_their_trials() -> None:
    # 1, then (1/4 of 4 trials and 1/1) pooled to 2/5, then 0: from 1 to 2/5 in one step.
    found = failure_boundary([4, 8, 16, 32], [3, 7, 15, 31], [4, 1, 1, 0], [4, 4, 1, 4])
    fraction = (1 - 0.5) / (1 - 0.4)
    assert found.memory_length == pytest.approx(4 * 2**fraction)
    assert found.rho == pytest.approx(3 + 4 * fraction)


def test_where_success_stays_at_one_half_the_boundary_is_its_middle() -> None:
    found = at(4, 2, 2, 2, 0, trials=4)
    assert found.memory_length == pytest.approx(16)
    assert at(2, 0, trials=4).memory_length == pytest.approx(4)
    assert at(2, 0, trials=4).censored == "none"


@pytest.mark.parametrize(
    ("successes", "censored"), [((0, 0, 0), "below"), ((2, 0, 0), "below"), ((5, 5, 4), "above")]
)
def test_off_the_grid_is_censored_and_never_extrapolated(
    successes: tuple[int, ...], censored: str
) -> None:
    found = at(*successes)
    assert found.censored == censored
    assert np.isnan(found.memory_length)
    assert np.isnan(found.rho)
    ends = (found.memory_length_low, found.memory_length_high)
    assert ends[0 if censored == "below" else 1] == (-np.inf if censored == "below" else np.inf)
    assert all(np.isinf(v) or v in M for v in ends)


def test_an_end_of_the_interval_may_be_off_the_grid_alone() -> None:
    found = at(2, 0, 0, trials=3)
    assert found.censored == "none"
    assert found.memory_length_low == found.rho_low == -np.inf
    assert 4 < found.memory_length < found.memory_length_high < np.inf


def test_a_knob_that_falls_with_difficulty_has_its_ends_in_order() -> None:
    falling = [1.7, 1.4, 1.2]
    found = failure_boundary([4, 8, 16], falling, [5, 5, 0], [5, 5, 5])
    assert (found.rho_low, found.rho_high) == (1.2, 1.4)
    assert found.rho == pytest.approx(1.3)
    easy = failure_boundary([4, 8, 16], falling, [1, 0, 0], [5, 5, 5])
    assert (easy.censored, easy.rho_high, easy.memory_length_low) == ("below", np.inf, -np.inf)
    hard = failure_boundary([4, 8, 16], falling, [5, 5, 5], [5, 5, 5])
    assert (hard.censored, hard.rho_low, hard.memory_length_high) == ("above", -np.inf, np.inf)


def test_levels_without_trials_do_not_count() -> None:
    with_gaps = failure_boundary(M, RHO, [5, 0, 5, 0, 0], [5, 0, 5, 0, 5])
    assert with_gaps == failure_boundary(M[[0, 2, 4]], RHO[[0, 2, 4]], [5, 5, 0], [5, 5, 5])


def test_more_seeds_and_more_levels_narrow_the_interval() -> None:
    def octaves(found: Boundary) -> float:
        return float(np.log2(found.memory_length_high / found.memory_length_low))

    assert octaves(at(20, 16, 10, 4, 0, trials=20)) < octaves(at(4, 3, 2, 1, 0, trials=4))
    fine = np.geomspace(4, 64, 9)
    many = failure_boundary(fine, fine, [5] * 5 + [0] * 4, [5] * 9)
    assert octaves(many) < octaves(at(5, 5, 5, 0, 0))


def test_the_interval_does_not_depend_on_anything_but_its_seed() -> None:
    assert at(5, 4, 2, 1, 0) == at(5, 4, 2, 1, 0, seed=0)
    wide = at(5, 4, 2, 1, 0, confidence=0.99)
    assert wide.memory_length_low <= at(5, 4, 2, 1, 0).memory_length_low
    assert wide.memory_length_high >= at(5, 4, 2, 1, 0).memory_length_high


def test_the_estimate_is_never_outside_its_interval() -> None:
    for successes in itertools.product(range(4), repeat=4):
        found = at(*successes, trials=3, draws=400)
        value = {"below": -np.inf, "above": np.inf}.get(found.censored, found.memory_length)
        slack = 1 + 1e-12
        assert found.memory_length_low <= value * slack, successes
        assert value <= found.memory_length_high * slack, successes


def test_one_level_says_on_which_side_the_boundary_is() -> None:
    assert at(5).censored == "above"
    assert at(0).censored == "below"
    assert at(2, trials=4).memory_length == pytest.approx(4)
    for trials in (1, 1000):
        low = beta.ppf(0.05, 0.5 + 0.9 * trials, 0.5)  # is there room below one half?
        end = at(trials, trials=trials).memory_length_low
        assert end == (pytest.approx(4) if low > 0.5 else -np.inf)


def test_many_rows_at_once_agree_with_isotonic_regression(rng: np.random.Generator) -> None:
    for levels in (1, 2, 5, 12):
        weights = rng.integers(1, 9, levels).astype(float)
        rates = rng.random((100, levels))
        for row, fit in zip(rates, falling(rates, weights), strict=True):
            expected = isotonic_regression(row, weights=weights, increasing=False).x
            np.testing.assert_allclose(fit, expected, atol=1e-12)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (([4, 8], [1, 2], [1], [1]), r"must be \(levels,\) arrays"),
        (([8, 4], [1, 2], [1, 1], [1, 1]), "rise along the levels"),
        (([4, 8], [1, 2], [2, 0], [1, 1]), "must lie in 0..trials"),
        (([4, 8], [1, 2], [0, 0], [0, 0]), "no level has a trial"),
    ],
)
def test_impossible_counts_are_refused(arguments: tuple[list[int], ...], expected: str) -> None:
    with pytest.raises(ValueError, match=expected):
        failure_boundary(*arguments)


def test_a_confidence_is_a_share() -> None:
    with pytest.raises(ValueError, match="confidence = 90"):
        at(5, 0, confidence=90)


Interval = Callable[[tuple[int, ...]], tuple[float, float]]


def jeffreys(seeds: int) -> Interval:
    def interval(successes: tuple[int, ...]) -> tuple[float, float]:
        found = at(*successes, trials=seeds, draws=500)
        return found.memory_length_low, found.memory_length_high

    return interval


def bootstrap(seeds: int) -> Interval:
    """What one would do without thinking: resample the seeds, estimate each time."""

    def interval(successes: tuple[int, ...]) -> tuple[float, float]:
        rng = np.random.default_rng(0)
        found = []
        for drawn in rng.binomial(seeds, np.array(successes) / seeds, (40, len(M))):
            rate = isotonic_regression(drawn / seeds, increasing=False).x
            above = int((rate > 0.5).sum())
            if above in (0, len(M)):
                found.append(-np.inf if above == 0 else np.inf)
            else:
                easy, hard = rate[above - 1], rate[above]
                found.append(float(4 * 2 ** (above - 1 + (easy - 0.5) / (easy - hard))))
        low = np.quantile(found, 0.05, method="lower")
        return float(low), float(np.quantile(found, 0.95, method="higher"))

    return interval


def coverage(interval: Interval, seeds: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Share of simulated studies whose interval holds the true boundary, by slope (per octave).

    P(success) is logistic in log2 M99. True boundaries lie on the grid and up to half an octave
    off it; a censored end is infinite and so holds all that is off the grid on its side.
    """
    interval, true = cache(interval), np.repeat(TRUE, 100)
    shares = []
    for slope in (1.0, 2.0, 4.0, 16.0):
        P = 1 / (1 + np.exp(slope * (np.log2(M) - true[:, None])))
        ends = np.array([interval(tuple(row)) for row in rng.binomial(seeds, P).tolist()])
        shares.append(np.mean((ends[:, 0] <= 2**true) & (2**true <= ends[:, 1])))
    return np.array(shares)


@pytest.mark.parametrize("seeds", [3, 5])
def test_intervals_hold_the_true_boundary(seeds: int, rng: np.random.Generator) -> None:
    shares = coverage(jeffreys(seeds), seeds, rng)
    assert shares.min() >= 0.88, shares  # for every slope, not only on average


def test_a_bootstrap_over_seeds_does_not(rng: np.random.Generator) -> None:
    assert coverage(bootstrap(3), 3, rng).mean() < 0.8


Summary = Callable[[NDArray[np.int_]], tuple[float, float, float]]


def summary(seeds: int, true: NDArray[np.float64]) -> Summary:
    """Median of estimate / truth, coverage, and median width in octaves, of a study's counts."""
    found = cache(lambda row: at(*row, trials=seeds, draws=500))
    off = {"below": 0.0, "above": np.inf}

    def summarise(counts: NDArray[np.int_]) -> tuple[float, float, float]:
        rows = [found(tuple(row)) for row in counts.tolist()]
        estimate = np.array([off.get(row.censored, row.memory_length) for row in rows])
        low = np.array([max(row.memory_length_low, 1e-9) for row in rows])
        high = np.array([row.memory_length_high for row in rows])
        held = (low <= 2**true) & (2**true <= high)
        return np.median(estimate / 2**true), held.mean(), np.median(np.log2(high / low))

    return summarise


@pytest.mark.parametrize("bimodal", [False, True])
@pytest.mark.parametrize("rates", [2, 4])
@pytest.mark.parametrize("seeds", [3, 5])
def test_the_choice_of_a_rate_does_not_move_the_boundary(
    seeds: int, rates: int, bimodal: bool, rng: np.random.Generator
) -> None:
    # All rates are equal, so whichever is chosen on other seeds, the boundary is the true one.
    # Seeds scatter around the median error of a level, or they solve it or do not.
    true = np.repeat(TRUE, 80)
    summarise = summary(seeds, true)
    for slope in (1.0, 2.0):
        error = slope * (np.log2(M) - true[:, None])[:, :, None, None]
        error = error + rng.logistic(size=(len(true), len(M), rates, seeds))
        if bimodal:
            error = np.where(error < 0, -4, 1) + rng.normal(scale=0.5, size=error.shape)
        solved = error + rng.normal(scale=0.05, size=error.shape) < 0  # on the test sequences

        def count(chosen: NDArray[np.int_], solved: NDArray[np.bool_] = solved) -> Any:
            return np.take_along_axis(solved, chosen[..., None, :], axis=-2)[..., 0, :].sum(-1)

        others = select_learning_rates(np.exp(error), np.zeros(error.shape, bool))
        same = np.median(error, axis=-1).argmin(-1)[..., None].repeat(seeds, -1)
        ratio, held, width = summarise(count(others))
        biased, _, wider = summarise(count(same))
        assert 1 / 1.1 <= ratio <= 1.1 < biased, (slope, ratio, biased)
        assert held >= 0.88, (slope, held)
        assert width <= wider, (slope, width, wider)
