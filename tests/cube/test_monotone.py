"""Success that is not monotone in difficulty: by hand, and how often it is flagged by chance."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from mfbench.cube.monotone import NOT_MONOTONE, monotone_p_value


def flagged(counts: NDArray[np.int_], seeds: int) -> float:
    """Share of studies in which success is called not monotone."""
    trials = (seeds,) * counts.shape[1]
    found = [monotone_p_value(tuple(row), trials, draws=500) for row in counts.tolist()]
    return float(np.mean(np.array(found) <= NOT_MONOTONE))


def test_by_hand() -> None:
    assert monotone_p_value((3, 3, 2, 1, 0), (3,) * 5) == 1
    # Pooled to 1/2: nothing of 3, then all of 3, has a chance of 1 in 64, and nothing is as large.
    assert monotone_p_value((0, 3), (3, 3), draws=100_000) == pytest.approx(1 / 64, abs=2e-3)
    assert monotone_p_value((3, 0, 3, 0), (3,) * 4) <= NOT_MONOTONE
    assert monotone_p_value((3, 1, 2, 0), (3,) * 4) > NOT_MONOTONE  # noise
    assert monotone_p_value((0, 1), (1, 1)) > NOT_MONOTONE  # a single seed shows nothing


@pytest.mark.parametrize("seeds", [3, 5])
def test_chance_is_flagged_rarely_and_a_return_of_success_often(
    seeds: int, rng: np.random.Generator
) -> None:
    level = np.arange(5)
    for slope in (0.0, 1.0):  # flat at one half is the worst case
        P = 1 / (1 + np.exp(slope * (level - 2)))
        assert flagged(rng.binomial(seeds, P, (300, 5)), seeds) <= 0.06
    assert flagged(rng.binomial(seeds, [1, 0.05, 0.05, 0.95, 0.05], (100, 5)), seeds) > 0.6
