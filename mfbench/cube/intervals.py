"""Effects with 90 % intervals that are valid for three to ten seeds.

Not the bootstrap: with three seeds its real coverage is far below 90 %.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, special, stats

LEVEL = 0.9
TAIL = (1 - LEVEL) / 2
RESOLUTION = 0.05  # decades: sampling error of a test set of a few hundred sequences
_LEAST, _MOST = 1e-8, 10.0  # relative errors are clipped to these before a mean of logarithms
_GRID = 1000  # quantiles per posterior: enough for three digits


@dataclass(frozen=True)
class Interval:
    """An effect, its 90 % interval, and the evidence behind it.

    Attributes
    ----------
    value, low, high : float
        The effect and its interval.
    method : str
        Method behind the interval.
    at_most : callable
        ``at_most(x)``: the one-sided p-value of 'the effect is at most x', below 0.05 if and only
        if x < low. That of 'at least x' is ``1 - at_most(x)``.
    """

    value: float
    low: float
    high: float
    method: str
    at_most: Callable[[float], float]


def decades(errors: Iterable[Any]) -> NDArray[np.float64]:
    """log10 of relative errors, clipped to 1e-8 .. 10.

    A diverged run counts as 10, worse than predicting zero; errors below 1e-8 are float32
    rounding.
    """
    return np.asarray(np.log10(np.clip(np.array(list(errors), float), _LEAST, _MOST)))


def mean_interval(values: NDArray[np.float64], resolution: float = RESOLUTION) -> Interval:
    """Mean of independent values with Student's t interval.

    The spread between seeds counts as at least that of rounding, ``resolution / sqrt(12)``, because
    an effect is not certain just because seeds agree to the last digit.

    Parameters
    ----------
    values : ndarray
        One value per seed.
    resolution : float
        Differences below this mean nothing; for example, the step of a grid.

    Raises
    ------
    ValueError
        Fewer than two values, or a value is not finite.
    """
    values = _checked(values)
    mean = float(values.mean())
    freedom, spread = len(values) - 1, max(float(values.std(ddof=1)), resolution / np.sqrt(12))
    error = spread / np.sqrt(len(values))
    return _t_interval(mean, error, freedom, f"t interval over {len(values)} seeds")


def difference_interval(values: NDArray[np.float64], others: NDArray[np.float64]) -> Interval:
    """Mean of independent values minus that of others, with Welch's t interval.

    As in `mean_interval`, neither spread counts as less than that of rounding.

    Raises
    ------
    ValueError
        Fewer than two values of a kind, or a value is not finite.
    """
    kinds = [_checked(values), _checked(others)]
    least = RESOLUTION / np.sqrt(12)
    errors = np.array([max(float(v.std(ddof=1)), least) ** 2 / len(v) for v in kinds])
    freedom = errors.sum() ** 2 / sum(
        e**2 / (len(v) - 1) for e, v in zip(errors, kinds, strict=True)
    )
    difference, error = float(kinds[0].mean() - kinds[1].mean()), float(np.sqrt(errors.sum()))
    method = f"Welch's t interval over {len(kinds[0])} and {len(kinds[1])} seeds"
    return _t_interval(difference, error, freedom, method)


def _t_interval(value: float, error: float, freedom: float, method: str) -> Interval:
    half = float(error * special.stdtrit(freedom, 1 - TAIL))
    return Interval(
        value,
        value - half,
        value + half,
        method,
        lambda x: float(special.stdtr(freedom, (x - value) / error)),
    )


def share_interval(successes: float, trials: int) -> Interval:
    """A share of successes with its Jeffreys interval, from the prior Beta(1/2, 1/2).

    As in Brown, Cai & DasGupta (2001), doi 10.1214/ss/1009213286, the interval starts at 0 if no
    trial succeeded and ends at 1 if all did. A partial success counts as a fraction.

    Raises
    ------
    ValueError
        No trials, or more successes than trials.
    """
    posterior = _posterior(successes, trials)
    return Interval(
        successes / trials,
        float(posterior.ppf(TAIL)) if successes else 0.0,
        float(posterior.ppf(1 - TAIL)) if successes < trials else 1.0,
        f"Jeffreys interval over {trials} seeds",
        lambda x: float(posterior.cdf(x)),
    )


@functools.lru_cache(maxsize=4096)
def share_difference_interval(
    successes: float, trials: int, other_successes: float, other_trials: int
) -> Interval:
    """The first share minus the other, with the interval from independent Jeffreys posteriors.

    Raises
    ------
    ValueError
        No trials, or more successes than trials.
    """
    first = _posterior(successes, trials)
    other = _posterior(other_successes, other_trials).ppf((np.arange(_GRID) + 0.5) / _GRID)

    def at_most(x: float) -> float:
        return float(first.cdf(other + x).mean())

    low, high = (
        float(optimize.brentq(lambda x, tail=tail: at_most(x) - tail, -1, 1))
        for tail in (TAIL, 1 - TAIL)
    )
    value = successes / trials - other_successes / other_trials
    method = f"Jeffreys posteriors of {trials} and {other_trials} seeds"
    # The estimate from shares of 0 and 1 can lie outside the equal-tailed interval: include it.
    return Interval(value, min(low, value), max(high, value), method, at_most)


def _checked(values: NDArray[np.float64]) -> NDArray[np.float64]:
    values = np.asarray(values, float)
    if len(values) < 2 or not np.isfinite(values).all():
        raise ValueError(f"an interval needs at least two values, all finite, not {values}")
    return values


def _posterior(successes: float, trials: int) -> Any:
    if not 0 <= successes <= trials or trials < 1:
        raise ValueError(f"impossible: {successes} successes in {trials} trials")
    return stats.beta(successes + 0.5, trials - successes + 0.5)
