"""Selection and summaries, against values computed by hand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import solve_ivp
from scipy.special import erfc

from mfbench.evaluation.statistics import (
    first_step_below,
    mean_and_standard_error,
    plateau_length,
    rate_edge,
    select_learning_rates,
)


def test_the_standard_error_covers_the_mean(rng: np.random.Generator) -> None:
    estimates = [mean_and_standard_error(rng.exponential(size=400)) for _ in range(500)]
    covered = np.mean([abs(mean - 1) < 1.96 * error for mean, error in estimates])
    assert 0.91 < covered < 0.98


def test_a_single_value_has_no_standard_error() -> None:
    assert mean_and_standard_error(np.array([2.0]))[0] == 2.0
    assert np.isnan(mean_and_standard_error(np.array([2.0]))[1])


def test_a_seed_counts_at_the_rate_that_is_best_for_the_others(rng: np.random.Generator) -> None:
    errors = np.array([[0.3, 0.3, 0.3], [0.1, 0.2, 9.0], [0.01, 0.5, 0.6]])
    none = np.zeros((3, 3), bool)
    # Two others: the mean of the logarithms of .2 and 9 is above that of .3, of .01 and .6 below.
    assert select_learning_rates(errors, none).tolist() == [0, 2, 2]
    assert select_learning_rates(errors[:, :2], none[:, :2]).tolist() == [1, 2]
    assert select_learning_rates(errors[:, :1], none[:, :1]).tolist() == [2]  # no others
    errors = rng.random((4, 5))
    chosen = select_learning_rates(errors, np.zeros((4, 5), bool))
    for seed in range(5):
        changed = errors.copy()
        changed[:, seed] = rng.random(4)
        assert select_learning_rates(changed, np.zeros((4, 5), bool))[seed] == chosen[seed]


def test_a_diverged_member_counts_as_infinitely_bad() -> None:
    errors = np.array([[0.3, 0.3, 0.3], [0.1, 0.1, 0.1]])
    for diverged, chosen in (
        ([True, True, False], [0, 0, 0]),
        ([True, False, False], [1, 0, 0]),  # two others: infinite as soon as one is
        ([False, False, False], [1, 1, 1]),
    ):
        found = select_learning_rates(errors, np.array([[False] * 3, diverged]))
        assert found.tolist() == chosen
    assert not select_learning_rates(errors, np.ones((2, 3), bool)).any()  # the first


@pytest.mark.parametrize(
    ("selected", "edge"),
    [([1, 1, 3], -1), ([1, 2, 3], 0), ([3, 3, 1], 1), ([2, 2, 2], 0), ([1, 3], 0)],
)
def test_most_seeds_put_a_cell_at_an_edge(selected: list[float], edge: float) -> None:
    assert rate_edge(np.array(selected, float), np.array([3.0, 1, 2])) == edge
    assert np.isnan(rate_edge(np.array(selected, float), np.array([1.0])))


def test_first_step_below() -> None:
    steps, curve = np.array([1, 10, 100]), np.array([0.9, 0.2, np.nan])
    assert first_step_below(steps, curve, 0.5) == 10
    assert first_step_below(steps, curve, 0.9) == 1
    assert np.isnan(first_step_below(steps, curve, 0.1))
    assert first_step_below(steps, curve, 0.2) == pytest.approx(10)


def test_a_plateau_is_the_longest_stretch_without_a_fall() -> None:
    steps = np.array([1, 10, 100, 200, 300, 1000])
    curve = np.array([1.0, 0.6, 0.58, 0.56, 0.08, 0.01])
    # From step 10 at 0.6 to 0.5, which the line from 0.56 to 0.08 crosses at step 212.5.
    assert plateau_length(steps, curve, fall=0.1, until=0.1) == pytest.approx(202.5)
    # `until` is above 0.6 - 0.55 and so ends the plateau, (0.56 - 0.1) / 0.48 of the way.
    expected = 200 + 100 * 0.46 / 0.48 - 10
    assert plateau_length(steps, curve, fall=0.55, until=0.1) == pytest.approx(expected)


def test_a_steady_fall_has_a_plateau_as_long_as_its_fall_takes() -> None:
    steps = np.arange(0, 1001)
    assert plateau_length(steps, 1 - steps / 1000, fall=0.05, until=0.1) == pytest.approx(50.0)


def test_the_plateau_length_is_nan_if_never_learned_and_zero_if_learned_at_once() -> None:
    steps = np.array([1, 10, 100])
    assert np.isnan(plateau_length(steps, np.array([1.0, 0.5, 0.4]), fall=0.05, until=0.1))
    assert np.isnan(plateau_length(steps, np.array([1.0, np.nan, np.nan]), fall=0.05, until=0.1))
    assert plateau_length(steps, np.array([0.1, 0.05, 0.01]), fall=0.05, until=0.1) == 0.0


def test_a_curve_that_rises_again_is_on_the_same_plateau() -> None:
    steps, bumpy = np.array([1, 10, 20, 30]), np.array([0.5, 0.9, 0.5, 0.0])
    flat = np.array([0.5, 0.5, 0.5, 0.0])
    assert plateau_length(steps, bumpy, fall=0.05, until=0.1) == plateau_length(
        steps, flat, fall=0.05, until=0.1
    )
    # A NaN does not change the lowest error so far.
    bumpy[1] = np.nan
    assert plateau_length(steps, bumpy, fall=0.05, until=0.1) == pytest.approx(20.0)


def test_plateaus_of_gradient_flow_grow_exponentially_with_the_lag() -> None:
    # Li, Han, E & Li, arXiv 2009.07799: gradient flow on the integrated squared error fits two
    # modes sum_i a_i e^(-w_i t) to rho(t) = e^-t + e^-(t - tau)^2. The integrals have closed forms:
    # `overlap` is the integral of e^(-w t) rho(t), and `slope` is its derivative.
    def overlap(w: np.ndarray, tau: float) -> np.ndarray:
        bump = np.exp(w**2 / 4 - w * tau) * erfc(w / 2 - tau) * np.sqrt(np.pi) / 2
        return 1 / (1 + w) + bump

    def slope(w: np.ndarray, tau: float) -> np.ndarray:
        scale = np.exp(w**2 / 4 - w * tau) / 2
        tail = np.sqrt(np.pi) * (w / 2 - tau) * erfc(w / 2 - tau) - np.exp(-((w / 2 - tau) ** 2))
        return -1 / (1 + w) ** 2 + scale * tail

    def descent(_: float, p: np.ndarray, tau: float) -> np.ndarray:
        a, w = p[:2], p[2:]
        gram = 1 / (w[:, None] + w)
        to_a = 2 * gram @ a - 2 * overlap(w, tau)
        to_w = -2 * a * (gram**2 @ a) - 2 * a * slope(w, tau)
        return -np.concatenate([to_a, to_w])

    def loss(p: np.ndarray, tau: float) -> float:
        a, w = p[:2], p[2:]
        return float(a @ (1 / (w[:, None] + w)) @ a - 2 * a @ overlap(w, tau))

    times, lengths = np.unique(np.geomspace(1, 1e6, 300).round()), []
    lags = np.arange(6, 11)
    for tau in lags:
        start = np.array([0.8, 0.1, 1.2, 1.5])  # near the short memory, far from the bump
        grown = solve_ivp(
            descent, (0, 1e6), start, "LSODA", times, args=(tau,), rtol=1e-8, atol=1e-10
        )
        curve = np.array([loss(p, tau) for p in grown.y.T])
        curve -= curve[-1]  # the lowest loss of two modes
        lengths.append(plateau_length(times, curve, fall=0.03, until=0.03))
    growth = np.diff(np.log(lengths))  # per unit of the lag
    assert np.all(
        (growth > 0.9) & (growth < 1.6)
    )  # the mode e^(-1.5 t) sees the bump as e^(-1.5 tau)
    assert np.corrcoef(lags, np.log(lengths))[0, 1] > 0.995  # exponential growth
    assert np.corrcoef(np.log(lags), lengths)[0, 1] < 0.9  # and not slower
