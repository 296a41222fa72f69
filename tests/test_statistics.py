"""Selection and summaries, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from mfbench.statistics import first_step_below, mean_and_standard_error, select_learning_rate


def test_the_standard_error_covers_the_mean(rng: np.random.Generator) -> None:
    estimates = [mean_and_standard_error(rng.exponential(size=400)) for _ in range(500)]
    covered = np.mean([abs(mean - 1) < 1.96 * error for mean, error in estimates])
    assert 0.91 < covered < 0.98


def test_a_single_value_has_no_standard_error() -> None:
    assert mean_and_standard_error(np.array([2.0]))[0] == 2.0
    assert np.isnan(mean_and_standard_error(np.array([2.0]))[1])


def test_the_least_median_validation_error_is_selected() -> None:
    errors = np.array([[0.3, 0.3, 0.3], [0.1, 0.2, 9.0], [0.01, 0.5, 0.6]])
    assert select_learning_rate(errors, np.zeros((3, 3), bool)) == 1


def test_a_diverged_member_counts_as_infinitely_bad() -> None:
    errors = np.array([[0.3, 0.3, 0.3], [0.1, 0.1, 0.1]])
    diverged = np.array([[False] * 3, [True, True, False]])
    assert select_learning_rate(errors, diverged) == 0
    assert select_learning_rate(errors, ~np.zeros((2, 3), bool)) == 0  # nothing left: the first
    # An even number of seeds: the mean of the two in the middle, infinite as soon as one is.
    assert select_learning_rate(errors[:, :2], np.array([[False] * 2, [True, False]])) == 0


def test_first_step_below() -> None:
    steps, curve = np.array([1, 10, 100]), np.array([0.9, 0.2, np.nan])
    assert first_step_below(steps, curve, 0.5) == 10
    assert first_step_below(steps, curve, 0.9) == 1
    assert np.isnan(first_step_below(steps, curve, 0.1))
    assert first_step_below(steps, curve, 0.2) == pytest.approx(10)
