"""Summaries of errors and curves, and the selection of a learning rate on validation errors."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def mean_and_standard_error(values: NDArray[np.float64]) -> tuple[float, float]:
    """Mean of independent values and its standard error, which is NaN for a single value."""
    if len(values) < 2:
        return float(values.mean()), float("nan")
    return float(values.mean()), float(values.std(ddof=1) / np.sqrt(len(values)))


def select_learning_rates(
    validation_error: NDArray[np.float64], diverged: NDArray[np.bool_]
) -> NDArray[np.int_]:
    """Index of the learning rate at which each seed counts: the best one for the other seeds.

    The best rate has the lowest median of log validation errors. A seed does not choose its own
    rate: a rate chosen for a lucky run would count as a success (docs/theory.md, section 4).

    Parameters
    ----------
    validation_error : (..., learning rate, seed) array
        Best validation error of each member.
    diverged : (..., learning rate, seed) array of bool
        A diverged member counts as an infinite error; it is never dropped.

    Returns
    -------
    (..., seed) array of int
        Ties go to fewer diverged members, then to the first learning rate. A single seed has no
        others and counts at the rate that is best for itself.
    """
    errors = np.where(diverged | np.isnan(validation_error), np.inf, validation_error)
    # Logarithms, because the median of two errors is their mean, which the larger one dominates.
    errors = np.log(np.maximum(errors, np.finfo(float).tiny))
    seeds, best = np.arange(errors.shape[-1]), []
    for seed in seeds:
        others = seeds[seeds != seed] if len(seeds) > 1 else seeds
        keys = diverged[..., others].sum(-1), np.median(errors[..., others], axis=-1)
        best.append(np.lexsort(keys, axis=-1)[..., 0])
    return np.stack(best, axis=-1)


def rate_edge(selected: NDArray[np.float64], rates: NDArray[np.float64]) -> float:
    """Edge of the grid at which most seeds' selected rates lie: -1 lowest, 1 highest, 0 neither.

    A better rate may lie beyond an edge. NaN if nothing is chosen: of a single rate, or in a failed
    cell, whose selected rates are NaN.
    """
    if len(rates) == 1 or np.isnan(selected).any():
        return float("nan")
    lowest, highest = ((selected == end).mean() > 0.5 for end in (rates.min(), rates.max()))
    return float(highest) - float(lowest)


def first_step_below(
    steps: NDArray[np.int_], curve: NDArray[np.float64], threshold: float
) -> float:
    """The first validated step whose error is at most the threshold; NaN if none is."""
    below = np.flatnonzero(np.asarray(curve) <= threshold)
    return float(steps[below[0]]) if below.size else float("nan")


def plateau_length(
    steps: NDArray[np.int_], curve: NDArray[np.float64], *, fall: float, until: float
) -> float:
    """Longest plateau on the way to a threshold, in steps.

    The curve is the lowest error so far, interpolated linearly in the step between validations. A
    plateau starts at a validated step and lasts until the error has fallen by `fall` from there, or
    to `until`. Li, Han, E & Li (2020), arXiv 2009.07799, section 4, also define plateauing by the
    time until the loss has changed. Here any validated step can be the start, because training may
    learn the short memory first and then stall.

    Parameters
    ----------
    steps : (validation,) array of int
        Validated steps, ascending.
    curve : (validation,) array
        Relative error at each of them.
    fall : float
        Change of the error that ends a plateau, in units of the zero predictor's error.
    until : float
        Error at which the task counts as learned; plateaus below it are ignored.

    Returns
    -------
    float
        0 if the first validated error is at most `until`. NaN if no error is: how long the member
        would stall is unknown, so it is censored at its last step.
    """
    lowest = np.fmin.accumulate(np.asarray(curve, dtype=np.float64))
    reached = np.flatnonzero(lowest <= until)
    if not reached.size:
        return float("nan")
    longest = 0.0
    for start in range(int(reached[0])):
        level = max(lowest[start] - fall, until)
        end = int(np.flatnonzero(lowest <= level)[0])
        share = (lowest[end - 1] - level) / (lowest[end - 1] - lowest[end])
        left = steps[end - 1] + share * (steps[end] - steps[end - 1])
        longest = max(longest, float(left - steps[start]))
    return longest
