"""What a memory function reads: at each step t and lag s, a white input z_{t,s}.

The target of every task is y_t = sum_s k(s) z_{t,s}. In a plain task, z_{t,s} = x_{t-s}. With
marked input, it is u_{t-s}, where u = g x / sqrt(p) keeps the marked inputs only. On a marked
clock, it is the s-th latest marked input up to step t, and 0 if there is none yet.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from mfbench.tasks.kernels.marks import Marks

Array = NDArray[np.float64]


class Past(Protocol):
    """The inputs z_{t,s} of N sequences."""

    def response(self, h: Array) -> Array:
        """sum_s h_s z_{t,s} of a response h (T,), (N, T)."""
        ...

    def means(self, q: Array) -> Array:
        """Mean of q_t z_{t,s} over the scored steps that see lag s, (N, T).

        q (N, T - t0) are values at the scored steps. The mean is over all steps that see the lag,
        t >= s; on a marked clock, it is the sum divided by the expected number of such steps.
        """
        ...


class StepPast:
    """Lags count steps: z_{t,s} = u_{t-s} for a white sequence u (N, T)."""

    def __init__(self, u: Array) -> None:
        self.u = u

    def response(self, h: Array) -> Array:
        return convolve(self.u, h)

    def means(self, q: Array) -> Array:
        return mean_lagged_products(q, self.u)


class MarkedPast:
    """Lags count marks: z_{t,s} is the s-th latest x (N, T) with a mark g (N, T).

    Attributes
    ----------
    marked : (N, T) array
        The marked inputs of each sequence in order, then zeros.
    count : (N, T) int array
        Number of marks up to and including each step.
    """

    def __init__(self, x: Array, g: Array, share: float) -> None:
        self.share = share
        self.count = np.cumsum(g != 0, axis=-1)
        order = np.argsort(g == 0, axis=-1, kind="stable")
        there = np.arange(x.shape[-1]) < self.count[:, -1:]
        self.marked = np.where(there, np.take_along_axis(x, order, -1), 0.0)

    def response(self, h: Array) -> Array:
        of_marks = convolve(self.marked, h)
        before = np.zeros((len(of_marks), 1))  # nothing is remembered before the first mark
        found = np.take_along_axis(np.concatenate([before, of_marks], -1), self.count, -1)
        return np.asarray(found)

    def means(self, q: Array) -> Array:
        length, scored = self.marked.shape[1], q.shape[1]
        start = length - scored
        # Between two marks, all steps see the same z: add their q up.
        sums = np.zeros((len(q), length + 1))
        rows = np.broadcast_to(np.arange(len(q))[:, None], q.shape)
        np.add.at(sums, (rows, self.count[:, start:]), q)
        weights = Marks(self.share, clock=True).weights(length, start)
        means = np.zeros_like(self.marked)
        products = lagged_products(sums[:, 1:], self.marked)
        np.divide(products, scored * weights, out=means, where=weights > 0)
        return means

    def at(self, rows: slice) -> Array:
        """z_{t,s} of some sequences, (n, T, T)."""
        marked, count = self.marked[rows], self.count[rows]
        place = count[:, :, None] - 1 - np.arange(marked.shape[1])
        found = np.take_along_axis(marked[:, None], np.maximum(place, 0), -1)
        return np.asarray(np.where(place >= 0, found, 0.0))


def past_of(x: NDArray[Any], g: NDArray[Any] | None, marks: Marks | None) -> Past:
    """What the memory of a task reads from its input x and marks g, (N, T)."""
    x = x.astype(np.float64)
    if marks is None or g is None:
        return StepPast(x)
    if marks.clock:
        return MarkedPast(x, g, marks.share)
    return StepPast(g * x / np.sqrt(marks.share))


def convolve(x: Array, k: Array) -> Array:
    """y_t = sum_{s=0..t} k_s x_{t-s} by FFT, from a zero initial state.

    Parameters
    ----------
    x : (N, T) array
    k : (T,) array

    Returns
    -------
    (N, T) float64 array
        Rounding errors are relative to the largest values, about 1e-16.
    """
    length = x.shape[-1]
    size = fast_length(2 * length - 1)
    y = np.fft.irfft(np.fft.rfft(x, size) * np.fft.rfft(k, size), size)
    return y[..., :length]


def fast_length(least: int) -> int:
    """A power of 2 for FFTs of at least this length; importing scipy for it is slow."""
    return 1 << (least - 1).bit_length()


def convolve_directly(x: Array, k: Array) -> Array:
    """The oracle of `convolve`: the sum, term by term."""
    y = np.zeros_like(x)
    for t in range(x.shape[-1]):
        for s in range(t + 1):
            y[..., t] += k[s] * x[..., t - s]
    return y


def mean_lagged_products(q: Array, x: Array) -> Array:
    """Mean of q_t x_{t-s} over the scored steps t >= s, of q (N, T - t0) and x (N, T): (N, T)."""
    length, scored = x.shape[1], q.shape[1]
    q = np.pad(q, ((0, 0), (length - scored, 0)))
    return np.asarray(lagged_products(q, x) / np.minimum(scored, length - np.arange(length)))


def lagged_products(q: Array, x: Array) -> Array:
    """sum_t q_t x_{t-s} over lag s of q and x (N, T), by FFT: (N, T)."""
    length = x.shape[1]
    size = fast_length(2 * length)
    sums = np.fft.irfft(np.fft.rfft(q, size) * np.fft.rfft(x, size).conj(), size)
    return np.asarray(sums[:, :length])
