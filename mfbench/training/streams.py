"""Random streams of a member: initialisation and batch order, independent of each other."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

# Far from the keys of the data streams (mfbench.datasets), so that equal seeds share nothing.
_INITIALISATION, _ORDER = (1000, 0), (1000, 1)


def initialisation_seed(seed: int) -> int:
    """Seed of torch's generator for the initial parameters of a member."""
    state = np.random.SeedSequence(seed, spawn_key=_INITIALISATION).generate_state(1, np.uint64)
    return int(state[0]) >> 1  # torch takes signed 64-bit seeds


class BatchOrder:
    """Rows of every batch: a new permutation each epoch, incomplete batches dropped.

    Each epoch has a stream of its own, so any step can be reached without those before it.
    """

    def __init__(self, *, seed: int, sequences: int, batch_size: int) -> None:
        self.seed, self.sequences, self.batch_size = seed, sequences, batch_size
        self._epoch, self._permutation = -1, np.empty(0, dtype=np.int64)

    def rows(self, step: int) -> NDArray[np.int64]:
        """Row numbers of the batch of a step (from 0), (batch_size,)."""
        epoch, batch = divmod(step, self.sequences // self.batch_size)
        if epoch != self._epoch:
            key = (*_ORDER, epoch)
            stream = np.random.default_rng(np.random.SeedSequence(self.seed, spawn_key=key))
            self._epoch, self._permutation = epoch, stream.permutation(self.sequences)
        return self._permutation[batch * self.batch_size : (batch + 1) * self.batch_size]
