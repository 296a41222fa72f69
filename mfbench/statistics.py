"""Estimates with their uncertainty, and selection that never looks at the test split."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def mean_and_standard_error(values: NDArray[np.float64]) -> tuple[float, float]:
    """Mean of independent values and its standard error, NaN for a single value."""
    if len(values) < 2:
        return float(values.mean()), float("nan")
    return float(values.mean()), float(values.std(ddof=1) / np.sqrt(len(values)))


def select_learning_rate(validation_error: NDArray[np.float64], diverged: NDArray[np.bool_]) -> int:
    """Index of the learning rate with the least median validation error over seeds.

    Parameters
    ----------
    validation_error : (learning rate, seed) array
        Best validation error of each member.
    diverged : (learning rate, seed) array of bool
        A diverged member counts as an infinite error; it is never dropped.

    Returns
    -------
    int
        Ties go to the fewer diverged members, then to the first learning rate.
    """
    errors = np.where(diverged | np.isnan(validation_error), np.inf, validation_error)
    median = np.sort(errors, axis=1)[:, (errors.shape[1] - 1) // 2 : errors.shape[1] // 2 + 1]
    return int(np.lexsort((diverged.sum(1), median.mean(1)))[0])


def first_step_below(
    steps: NDArray[np.int_], curve: NDArray[np.float64], threshold: float
) -> float:
    """The first validated step whose error is at most the threshold; NaN where there is none."""
    below = np.flatnonzero(np.asarray(curve) <= threshold)
    return float(steps[below[0]]) if below.size else float("nan")
