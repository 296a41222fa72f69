"""Starting points of the search for the best system of a given order: guesses at its poles.

The error is a rugged function of the poles, but a semiclassical picture gives good guesses. A
cascade of all-pass sections delays each frequency by its group delay, and it fits the kernel at
frequencies where this delay exceeds the kernel's own. Each pole adds 2 pi of delay x bandwidth. So
the poles should cover the frequencies with the most energy per unit of delay, and they are placed
at equal steps of accumulated delay.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import hankel

from mfbench.floors.cascade import sections_of
from mfbench.floors.problem import Array

_OVERSAMPLING = 8  # frequencies per lag
_RESOLUTIONS = (1.0, 3.0, 8.0)  # widths of the smoothing over frequency, in units of 2 pi / T
_BANDS = 12  # number of contiguous bands to try


def starting_points(k: Array, weights: Array, order: int) -> Iterator[Array]:
    """Denominators (m, 2) to start from; the first is the shift register (all poles at 0)."""
    yield np.zeros(((order + 1) // 2, 2))
    for resolution in _RESOLUTIONS:
        delay, energy = _group_delay(np.sqrt(weights) * k, resolution)
        for band in _bands(delay, energy, order):
            for sharpness in (1.0, 3.0):
                yield _poles_in_band(delay, band, order, sharpness)
    if len(k) > 3:  # else there is no shift of a Hankel matrix to learn from
        yield _realisation(k, order)


def _group_delay(k: Array, resolution: float) -> tuple[Array, Array]:
    """Smoothed delay in steps (lag 0 counts as one) and energy at the frequencies 0..pi."""
    size = _OVERSAMPLING * len(k)
    spectrum = np.fft.rfft(k, size)
    slope = np.fft.rfft((np.arange(len(k)) + 1.0) * k, size)
    width = max(3, int(resolution * _OVERSAMPLING))
    window = np.hanning(width + 2)[1:-1] / (width + 1) * 2

    def smooth(values: Array) -> Array:  # values are even and periodic in frequency
        padded = np.pad(values, width, mode="reflect")
        return np.convolve(padded, window, "same")[width:-width]

    energy = smooth(np.abs(spectrum) ** 2)
    moment = smooth(np.real(np.conj(spectrum) * slope))
    floor = energy.max() * 1e-30
    return np.maximum(moment / np.maximum(energy, floor), 1.0), energy


def _bands(delay: Array, energy: Array, order: int) -> Iterator[NDArray[np.int_]]:
    """Sets of frequencies whose delay x bandwidth a system of this order can just cover."""
    capacity = delay / (len(delay) - 1)  # states needed per frequency, counting both signs
    best = np.argsort(-energy / delay, kind="stable")
    held = np.cumsum(capacity[best])
    yield np.sort(best[: np.searchsorted(held, order) + 1])
    # Contiguous bands: the lowest, and those with the most energy.
    total = np.append(0.0, np.cumsum(capacity))
    power = np.append(0.0, np.cumsum(energy))
    first = np.arange(len(delay))
    last = np.minimum(np.searchsorted(total, total[:-1] + order), len(delay))
    first, last = first[: np.argmax(last == last[-1]) + 1], last[: np.argmax(last == last[-1]) + 1]
    spread = np.unique(np.linspace(0, len(first) - 1, _BANDS).astype(int))
    held = power[last[spread]] - power[first[spread]]
    chosen = {0, int(spread[np.argmax(held)])}
    fine = power[last] - power[first]
    chosen.add(int(np.argmax(fine)))
    for i in sorted(chosen):
        yield np.arange(first[i], last[i])


def _poles_in_band(delay: Array, band: NDArray[np.int_], order: int, sharpness: float) -> Array:
    """Conjugate pairs at equal steps of accumulated delay; an odd order adds a real pole."""
    held = np.cumsum(delay[band])
    pairs = order // 2
    odd = order % 2
    steps = (np.arange(pairs) + 0.5 + 0.5 * odd) / (pairs + 0.5 * odd) * held[-1]
    at = band[np.minimum(np.searchsorted(held, steps), len(band) - 1)]
    angle = np.clip(np.pi * at / (len(delay) - 1), 1e-3, np.pi - 1e-3)
    p = np.exp(-sharpness / delay[at] + 1j * angle)
    poles = np.concatenate([p, p.conj()])
    if odd:
        poles = np.append(poles, np.exp(-sharpness / delay[band[0]]))
    return sections_of(poles)


def _realisation(k: Array, order: int) -> Array:
    """Poles of the truncated Hankel realisation (Kung 1978), moved inside the unit circle."""
    rows = len(k) // 2
    U, _, _ = np.linalg.svd(hankel(k[:rows], k[rows - 1 : 2 * rows - 1]))
    order_here = min(order, rows - 1)
    U = U[:, :order_here]
    A = np.linalg.lstsq(U[:-1], U[1:], rcond=None)[0]
    poles = np.linalg.eigvals(A)
    poles = np.where(
        np.abs(poles) > 0.999, 0.999 * poles / np.maximum(np.abs(poles), 1e-300), poles
    )
    real = np.abs(poles.imag) < 1e-12
    poles = np.concatenate([poles[~real], poles[real].real, np.zeros(order - order_here)])
    return sections_of(poles)
