"""The slope of the failure boundary along the budget, from simulated studies."""

from __future__ import annotations

import numpy as np
import pytest

from mfbench.cube.slopes import boundary_slope

LENGTHS = np.array([2, 4, 8, 16, 32, 64, 128])
BUDGETS = np.array([500, 1000, 2000, 4000])


def counts(slope: float, seeds: int, generator: np.random.Generator) -> np.ndarray:
    """Successes at each budget and level; success falls by 2 per octave around the boundary."""
    boundary = 3.5 + slope * (np.log2(BUDGETS) - np.log2(BUDGETS).mean())
    odds = np.exp(-2 * (np.log2(LENGTHS) - boundary[:, None]))
    return generator.binomial(seeds, odds / (1 + odds))


@pytest.mark.parametrize("slope", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("seeds", [3, 5])
def test_the_interval_covers_the_slope(slope: float, seeds: int) -> None:
    generator = np.random.default_rng(1)
    found = [
        boundary_slope(
            BUDGETS, LENGTHS, counts(slope, seeds, generator), np.full((4, 7), seeds), draws=300
        )
        for _ in range(200)
    ]
    covered = np.mean([s.low <= slope <= s.high for s in found])
    assert covered >= 0.85  # 90 % less three standard errors of 200 studies
    assert np.median([s.value for s in found]) == pytest.approx(slope, abs=0.1)
    assert np.median([s.high - s.low for s in found]) < 1.2


def test_boundaries_off_the_grid_give_no_slope() -> None:
    trials = np.full((2, 3), 3)
    solved = boundary_slope([1, 2], [4, 8, 16], trials, trials)
    assert np.isnan([solved.value, solved.low, solved.high]).all()
