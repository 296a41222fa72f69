"""The learning rates that a study keeps after its pilot."""

from __future__ import annotations

import numpy as np
import pytest

from mfbench.training.pilot import kept_rates

RATES = [1e-4, 1e-3, 1e-2, 1e-1, 1.0]


@pytest.mark.parametrize(
    ("errors", "keep", "kept"),
    [
        ([1, 0.9, 0.2, 0.5, np.inf], 3, RATES[1:4]),
        ([0.1, 0.9, 1, 1, 1], 3, RATES[:3]),  # the best rate is an edge
        ([1, 1, 1, 1, 0.1], 3, RATES[2:]),
        ([1, 0.9, 0.2, np.inf, np.inf], 3, RATES[1:4]),
        ([np.inf] * 5, 3, RATES[:3]),  # everything diverged: the lowest rates
        ([1, 0.9, 0.2, 0.5, 1], 1, RATES[2:3]),
        ([1, 0.9, 0.2, 0.5, 1], 2, RATES[1:3]),
    ],
)
def test_neighbours_of_the_best_rate_are_kept(
    errors: list[float], keep: int, kept: list[float]
) -> None:
    assert kept_rates(RATES, errors, keep=keep) == kept
