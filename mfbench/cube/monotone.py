"""Test whether success falls with difficulty, as failure boundaries assume."""

from __future__ import annotations

import functools

import numpy as np

from mfbench.cube.boundaries import falling

NOT_MONOTONE = 0.025  # success is not monotone if the p-value is at most this


@functools.lru_cache(maxsize=4096)
def monotone_p_value(
    successes: tuple[float, ...], trials: tuple[float, ...], *, draws: int = 2000, seed: int = 0
) -> float:
    """Probability that success rises this much along the levels by chance.

    The statistic is the likelihood ratio of the success rates to their isotonic regression; its
    distribution is simulated with the isotonic regression as the truth.

    Parameters
    ----------
    successes, trials : (levels,) tuple
        From easy to hard.
    draws, seed : int
        Number and seed of the simulated studies.

    Returns
    -------
    float
        1 if success never rises.
    """
    from scipy.special import rel_entr  # slow to import; figures need only the constant

    s, n = np.array(successes, float), np.array(trials, float)
    truth = falling(s / n, n)
    simulated = np.random.default_rng(seed).binomial(n.astype(int), truth, (draws, len(n)))
    rate = np.vstack([s, simulated]) / n
    fit = falling(rate, n)
    ratio = np.sum(n * (rel_entr(rate, fit) + rel_entr(1 - rate, 1 - fit)), axis=1)
    return float(np.mean(ratio >= ratio[0] - 1e-9))
