"""Independent random streams of a member: initialisation, batch order and layer noise."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

# Different from the keys of the data streams (mfbench.tasks.datasets), so that equal seeds give
# independent streams.
_INITIALISATION, _ORDER, _LAYER_NOISE = (1000, 0), (1000, 1), (1000, 2)


def initialisation_seed(seed: int) -> int:
    """Seed of torch's generator for the initial parameters of a member."""
    return _torch_seed(seed, _INITIALISATION)


def layer_noise_seed(seed: int) -> int:
    """Base seed for layers that draw random numbers in training; the step is added to it."""
    return _torch_seed(seed, _LAYER_NOISE)


def _torch_seed(seed: int, key: tuple[int, int]) -> int:
    state = np.random.SeedSequence(seed, spawn_key=key).generate_state(1, np.uint64)
    return int(state[0]) >> 2  # torch takes signed 64-bit seeds; leaves room to add a step


class BatchOrder:
    """Rows of every batch: a new permutation each epoch, without incomplete batches.

    Each epoch has its own stream, so any step can be computed without the steps before it.
    """

    def __init__(self, *, seed: int, sequences: int, batch_size: int) -> None:
        self.seed, self.sequences, self.batch_size = seed, sequences, batch_size
        self._epoch, self._rows = -1, np.empty((0, batch_size), dtype=np.int64)

    def rows(self, start: int, count: int) -> NDArray[np.int64]:
        """Row numbers of `count` batches from step `start` (from 0), (count, batch_size)."""
        batches = self.sequences // self.batch_size  # per epoch
        parts = []
        while count > 0:
            epoch, first = divmod(start, batches)
            parts.append(self._epoch_rows(epoch)[first : first + count])
            start, count = start + len(parts[-1]), count - len(parts[-1])
        return np.concatenate(parts)

    def _epoch_rows(self, epoch: int) -> NDArray[np.int64]:
        if epoch != self._epoch:
            stream = np.random.default_rng(
                np.random.SeedSequence(self.seed, spawn_key=(*_ORDER, epoch))
            )
            batches = self.sequences // self.batch_size
            rows = stream.permutation(self.sequences)[: batches * self.batch_size]
            self._epoch, self._rows = epoch, rows.reshape(batches, self.batch_size)
        return self._rows
