"""Random streams of a member: initialisation, batch order and noise of layers, independent."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

# Far from the keys of the data streams (mfbench.datasets), so that equal seeds share nothing.
_INITIALISATION, _ORDER, _LAYER_NOISE = (1000, 0), (1000, 1), (1000, 2)


def initialisation_seed(seed: int) -> int:
    """Seed of torch's generator for the initial parameters of a member."""
    return _torch_seed(seed, _INITIALISATION)


def layer_noise_seed(seed: int) -> int:
    """Seed, before the step is added, for layers that draw random numbers while they train."""
    return _torch_seed(seed, _LAYER_NOISE)


def _torch_seed(seed: int, key: tuple[int, int]) -> int:
    state = np.random.SeedSequence(seed, spawn_key=key).generate_state(1, np.uint64)
    return int(state[0]) >> 2  # torch takes signed 64-bit seeds; a step may be added


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
