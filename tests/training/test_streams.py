"""Initialisation and batch order have streams of their own."""

from __future__ import annotations

import numpy as np
import pytest

from mfbench.training.streams import BatchOrder, initialisation_seed


def test_an_epoch_sees_every_sequence_at_most_once() -> None:
    order = BatchOrder(seed=3, sequences=20, batch_size=6)
    epoch = np.concatenate([order.rows(step) for step in range(3)])
    assert len(set(epoch.tolist())) == 18
    assert set(epoch.tolist()) < set(range(20))
    following = np.concatenate([order.rows(step) for step in range(3, 6)])
    assert not np.array_equal(epoch, following)


def test_any_step_can_be_reached_alone() -> None:
    walked = BatchOrder(seed=3, sequences=20, batch_size=6)
    rows = [walked.rows(step) for step in range(10)]
    np.testing.assert_array_equal(BatchOrder(seed=3, sequences=20, batch_size=6).rows(9), rows[9])


@pytest.mark.parametrize("seed", [0, 1, 17])
def test_streams_differ_between_seeds_and_from_each_other(seed: int) -> None:
    rows = BatchOrder(seed=seed, sequences=50, batch_size=50).rows(0)
    other = BatchOrder(seed=seed + 1, sequences=50, batch_size=50).rows(0)
    assert not np.array_equal(rows, other)
    assert initialisation_seed(seed) != initialisation_seed(seed + 1)
    assert 0 <= initialisation_seed(seed) < 2**63
