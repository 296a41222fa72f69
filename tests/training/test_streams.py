"""Initialisation and batch order have independent streams."""

from __future__ import annotations

import numpy as np
import pytest

from mfbench.training.streams import BatchOrder, initialisation_seed


def test_an_epoch_sees_every_sequence_at_most_once() -> None:
    order = BatchOrder(seed=3, sequences=20, batch_size=6)
    epoch = order.rows(0, 3).ravel()
    assert len(set(epoch.tolist())) == 18
    assert set(epoch.tolist()) < set(range(20))
    assert not np.array_equal(epoch, order.rows(3, 3).ravel())


def test_any_steps_can_be_computed_without_earlier_ones() -> None:
    walked = BatchOrder(seed=3, sequences=20, batch_size=6)
    rows = np.concatenate([walked.rows(step, 1) for step in range(10)])
    for start, count in ((9, 1), (0, 10), (2, 5)):
        alone = BatchOrder(seed=3, sequences=20, batch_size=6).rows(start, count)
        np.testing.assert_array_equal(alone, rows[start : start + count])


@pytest.mark.parametrize("seed", [0, 1, 17])
def test_streams_differ_between_seeds_and_from_each_other(seed: int) -> None:
    rows = BatchOrder(seed=seed, sequences=50, batch_size=50).rows(0, 1)
    other = BatchOrder(seed=seed + 1, sequences=50, batch_size=50).rows(0, 1)
    assert not np.array_equal(rows, other)
    assert initialisation_seed(seed) != initialisation_seed(seed + 1)
    assert 0 <= initialisation_seed(seed) < 2**63
