"""Failure boundaries: the difficulty at which the probability of success falls to one half."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

# Weight of a trial: counts are overdispersed because seeds choose each other's learning rate.
_WEIGHT = 0.9
Censored = Literal["none", "below", "above"]


@dataclass(frozen=True)
class Boundary:
    """A failure boundary with its interval.

    Attributes
    ----------
    memory_length, rho : float
        M99 in steps and the family's knob at the boundary; NaN if it is off the grid.
    memory_length_low, memory_length_high : float
        Ends of the interval; -inf or inf if an end is off the grid.
    rho_low, rho_high : float
        The same interval on the knob; low < high even if a smaller knob is harder.
    censored : {"none", "below", "above"}
        ``below``: the success rate is below one half even at the easiest level; ``above``: it is
        above one half even at the hardest level. Nothing is extrapolated.
    """

    memory_length: float
    memory_length_low: float
    memory_length_high: float
    rho: float
    rho_low: float
    rho_high: float
    censored: Censored


def failure_boundary(
    memory_length: ArrayLike,
    rho: ArrayLike,
    successes: ArrayLike,
    trials: ArrayLike,
    *,
    confidence: float = 0.9,
    draws: int = 2000,
    seed: int = 0,
) -> Boundary:
    """Estimate where P(success) falls to one half, assuming only that it never rises.

    The estimate is the point where the isotonic regression of the success rates (weighted by
    trials; pool adjacent violators) crosses one half. It is interpolated between the levels on
    either side: linearly in log M99, and by the same fraction in rho.

    The interval comes from independent Jeffreys posteriors Beta(0.9 s + 1/2, 0.9 f + 1/2) of the
    levels; a trial counts as 0.9 because the seeds of a level choose each other's learning rate.
    Isotonic regression makes each draw monotone and shows between which two levels it crosses one
    half. The exact position between them depends on how steeply P falls, which a coarse grid cannot
    show. So the interval reaches from a quantile of the levels below the crossings to a quantile of
    the levels above them, and its ends are levels of the grid. (Interpolating each draw instead
    gives intervals that are too narrow if P falls steeply; tests/ simulates the coverage.)

    Parameters
    ----------
    memory_length, rho : (levels,) array
        M99 in steps and knob of each level, from easy to hard.
    successes, trials : (levels,) array of int
        Number of successful members and of all members; diverged members are trials without
        success. Levels without trials are ignored.
    confidence : float
        Confidence level of the interval, in (0, 1).
    draws : int
        Number of draws from the posteriors.
    seed : int
        Seed of the draws.

    Raises
    ------
    ValueError
        Shapes differ, M99 falls along the levels, counts are impossible, no level has a trial, or
        `confidence` lies outside (0, 1).

    Notes
    -----
    Robertson, Wright & Dykstra, Order Restricted Statistical Inference (1988), chapter 1; Brown,
    Cai & DasGupta, Statistical Science 16 (2001) for the posteriors.
    """
    M, knob, s, n = _checked(memory_length, rho, successes, trials)
    if not 0 < confidence < 1:
        raise ValueError(f"confidence = {confidence} must lie between 0 and 1")
    position = crossing(falling(s / n, n))
    low, high = _interval(tuple(s), tuple(n), confidence, draws, seed)
    length = np.exp(_at([position], np.log(M), hard=np.inf)[0])
    length_low, length_high = _at([low, high], M, hard=np.inf)  # no logarithm: exact grid levels
    # If a smaller knob is harder, its hard end is -inf.
    knobs = _at([position, low, high], knob, hard=-np.inf if knob[-1] < knob[0] else np.inf)
    censored: Censored = "none"
    if np.isinf(position):
        censored = "below" if position < 0 else "above"
        length = knobs[0] = np.nan
    return Boundary(
        memory_length=float(length),
        memory_length_low=float(length_low),
        memory_length_high=float(length_high),
        rho=float(knobs[0]),
        rho_low=float(knobs[1:].min()),
        rho_high=float(knobs[1:].max()),
        censored=censored,
    )


@functools.lru_cache(maxsize=4096)
def _interval(
    successes: tuple[float, ...],
    trials: tuple[float, ...],
    confidence: float,
    draws: int,
    seed: int,
) -> tuple[float, float]:
    """Levels below and above the crossing; -1 and the number of levels mean off the grid.

    Results are cached, because with few seeds the same counts recur.
    """
    generator = np.random.default_rng(seed)
    above = levels_above(np.array(successes), np.array(trials), draws=draws, generator=generator)
    tail = (1 - confidence) / 2
    low = float(np.quantile(above - 1, tail, method="lower"))
    high = float(np.quantile(above, 1 - tail, method="higher"))
    return low, high


def levels_above(
    successes: NDArray[np.float64],
    trials: NDArray[np.float64],
    *,
    draws: int,
    generator: np.random.Generator,
) -> NDArray[np.int_]:
    """Draw the number of levels above one half: the crossing lies after the last of them.

    Parameters
    ----------
    successes, trials : (levels,) array
        From easy to hard; all levels have trials.
    draws : int
        Number of draws from the posteriors of `failure_boundary`.
    generator : Generator
        Source of the draws.

    Returns
    -------
    (draws,) array of int
    """
    s, n = _WEIGHT * successes, _WEIGHT * trials
    posterior = generator.beta(s + 0.5, n - s + 0.5, (draws, len(n)))
    return np.asarray((falling(posterior, n) > 0.5).sum(-1))


def falling(rates: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Isotonic regression that falls along the levels, for many rows at once.

    At level k it is the minimum over i <= k of the maximum over j >= k of the weighted means of
    levels i to j (Robertson, Wright & Dykstra 1988, section 1.4).

    Parameters
    ----------
    rates : (..., levels) array
    weights : (levels,) array
        Positive.

    Returns
    -------
    (..., levels) array
    """
    of_part = np.triu(np.ones((len(weights), len(weights)), bool))  # i <= j
    ends = [np.cumsum(values, axis=-1) for values in (weights * rates, weights)]
    sums, sizes = (
        end[..., None, :] - (end - values)[..., :, None]
        for end, values in zip(ends, (weights * rates, weights), strict=True)
    )
    means = np.where(of_part, sums, -np.inf) / np.where(of_part, sizes, 1)
    largest = np.maximum.accumulate(means[..., ::-1], axis=-1)[..., ::-1]
    fit: NDArray[np.float64] = np.where(of_part, largest, np.inf).min(-2)
    return np.clip(fit, 0, 1)  # rounding


def _checked(
    memory_length: ArrayLike, rho: ArrayLike, successes: ArrayLike, trials: ArrayLike
) -> tuple[NDArray[np.float64], ...]:
    """The levels that have trials, as float64 arrays."""
    given = [np.asarray(v, dtype=np.float64) for v in (memory_length, rho, successes, trials)]
    if len({v.shape for v in given}) > 1 or given[0].ndim != 1:
        shapes = ", ".join(str(v.shape) for v in given)
        raise ValueError(
            f"memory_length, rho, successes and trials must be (levels,) arrays, not {shapes}"
        )
    M, knob, s, n = (v[given[3] != 0] for v in given)
    if not len(n):
        raise ValueError("no level has a trial, so no boundary can be estimated")
    if not (np.all(s >= 0) and np.all(s <= n)):
        raise ValueError(f"successes = {s.tolist()} must lie in 0..trials = {n.tolist()}")
    if not (np.all(M > 0) and np.all(np.diff(M) >= 0)):
        raise ValueError(f"memory_length = {M.tolist()} must be positive and rise along the levels")
    return M, knob, s, n


def crossing(rate: NDArray[np.float64]) -> float:
    """Position along the levels where falling rates cross one half, -inf or inf if off the grid."""
    if rate[0] < 0.5 or rate[-1] > 0.5:
        return -np.inf if rate[0] < 0.5 else np.inf
    at = np.flatnonzero(np.isclose(rate, 0.5, rtol=0, atol=1e-12))
    if at.size:
        return float(at.mean())  # the middle of a stretch at one half
    hard = int(np.argmax(rate < 0.5))
    return float(hard - 1 + (rate[hard - 1] - 0.5) / (rate[hard - 1] - rate[hard]))


def _at(positions: list[float], values: NDArray[np.float64], *, hard: float) -> NDArray[np.float64]:
    """Interpolate values at positions along the levels; off the grid, `hard` or its negative."""
    return np.interp(positions, np.arange(len(values)), values, left=-hard, right=hard)
