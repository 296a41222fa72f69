"""An orthonormal basis for the impulse responses of linear systems with given poles.

The impulse response of a system with poles p_1..p_n is a sum of p_j^s (times powers of s if poles
coincide). As a basis, these functions are hopelessly ill-conditioned. A cascade of all-pass
sections spans the same space with orthonormal states (Takenaka 1925; Malmquist 1925; in real
arithmetic and as a state space: Roberts & Mullis, Digital Signal Processing, 1987, ch. 10).
Section i has the denominator ``1 + d_i1 z^-1 + d_i2 z^-2``: a conjugate pair or two real poles,
with a continuous transition between them.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from mfbench.floors.problem import Array

MARGIN = 1e-9  # smallest distance of a pole from the unit circle


def reflections(sections: Array) -> Array:
    """Reflection coefficients (..., m, 2) of denominators: stable iff all are within (-1, 1)."""
    d1, d2 = sections[..., 0], sections[..., 1]
    return np.stack([d1 / (1 + d2), d2], axis=-1)


def inside(sections: Array) -> Array:
    """Move poles outside the unit circle to just inside it."""
    large, small = _roots(sections)
    size = np.abs(large)
    limit = 1 - MARGIN
    if np.all(size <= limit):
        return sections
    shrunk = [p * np.minimum(1, limit / np.maximum(np.abs(p), 1e-300)) for p in (large, small)]
    moved = np.stack([-(shrunk[0] + shrunk[1]).real, (shrunk[0] * shrunk[1]).real], axis=-1)
    return np.where((size > limit)[..., None], moved, sections)


def sections_of(poles: NDArray[np.inexact]) -> Array:
    """Denominators (m, 2) of a set of poles that is closed under conjugation.

    Real poles are paired from the largest down; if one is left over, it forms a section of order
    one, with ``d_2 = 0``.
    """
    poles = np.asarray(poles, dtype=complex)
    pairs = poles[poles.imag > 0]
    real = np.sort(poles[poles.imag == 0].real)[::-1]
    if 2 * len(pairs) + len(real) != len(poles):
        raise ValueError("poles must be real or come in conjugate pairs")
    denominators = [(-2 * p.real, abs(p) ** 2) for p in pairs]
    denominators += [(-(a + b), a * b) for a, b in zip(real[:-1:2], real[1::2], strict=True)]
    if len(real) % 2:
        denominators.append((-real[-1], 0.0))
    return np.array(denominators, dtype=np.float64).reshape(-1, 2)


def poles_of(sections: Array, order: int) -> NDArray[np.complex128]:
    """The poles of a cascade; if the order is odd, its last section has order one."""
    return np.stack(_roots(sections), axis=1).ravel()[:order]


def _roots(sections: Array) -> tuple[NDArray[np.complex128], NDArray[np.complex128]]:
    """Both poles of each section: first the larger of two real poles, or the upper of a pair."""
    d1, d2 = sections[..., 0], sections[..., 1]
    root = np.sqrt((d1 / 2) ** 2 - d2 + 0j)
    # The smaller of two real poles follows from the product, which avoids cancellation.
    large = -d1 / 2 + np.where((root.imag == 0) & (d1 > 0), -root, root)
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        small = np.where(root.imag != 0, large.conj(), np.where(d2 == 0, 0, d2 / large))
    return large, small


def state_space(sections: Array, order: int) -> tuple[Array, Array]:
    """Matrices A (..., n, n) and B (..., n) of cascades (..., m, 2), with ``A A' + B B' = I``.

    Each section is a normalised lattice: an orthogonal map from its states and input to its next
    states and output. Its input is the output of the section before.
    """
    many = sections.shape[:-2]
    A, B = np.zeros((*many, order, order)), np.zeros((*many, order))
    # Input of the next section as a function of the system's input (..., 1) and states (..., n).
    through, signal = np.ones((*many, 1)), np.zeros((*many, order))
    g = reflections(sections)
    c = np.sqrt(1 - g**2)
    for i in range(sections.shape[-2]):
        g1, g2, c1, c2 = (part[..., i, j, None] for part in (g, c) for j in (0, 1))
        j = 2 * i
        if j + 1 == order:
            A[..., j, :] = c1 * signal
            A[..., j, j, None] = -g1
            B[..., j, None] = c1 * through
            break
        inputs = np.concatenate([c1 * c2, g1 * c2], axis=-1)
        A[..., j : j + 2, :] = inputs[..., None] * signal[..., None, :]
        block = np.concatenate([-g1, -c1 * g2, c1, -g1 * g2], axis=-1)
        A[..., j : j + 2, j : j + 2] = block.reshape(*many, 2, 2)
        B[..., j : j + 2] = inputs * through
        signal = g2 * signal
        signal[..., j + 1, None] = c2
        through = through * g2
    return A, B


def basis(sections: Array, order: int, length: int) -> Array:
    """Impulse responses of the states, (..., length, order): row s is A^s B."""
    A, B = state_space(sections, order)
    A = A.swapaxes(-1, -2)
    X = B[..., None, :]
    while X.shape[-2] < length:  # A^(s + L) B = A^L (A^s B)
        X = np.concatenate([X, X[..., : length - X.shape[-2], :] @ A], axis=-2)
        A = A @ A
    return X


def tangents(sections: Array, order: int, h: Array) -> Array:
    """Derivatives (..., T, order) of responses h (..., T) by the denominators, numerators fixed.

    For h = N / D and D = prod D_i: dh/dd_i1 = -h z^-1 / D_i, dh/dd_i2 = -h z^-2 / D_i.
    """
    T = h.shape[-1]
    size = fft.next_fast_len(2 * T, real=True)
    spectra = fft.rfft(_all_pole(sections, T), size) * fft.rfft(h, size)[..., None, :]
    g = -fft.irfft(spectra, size)[..., :T]  # (..., m, T)
    columns = np.zeros((*g.shape[:-1], 2, T))
    columns[..., 0, 1:] = g[..., :-1]
    columns[..., 1, 2:] = g[..., :-2]
    return columns.reshape(*h.shape[:-1], -1, T)[..., :order, :].swapaxes(-1, -2)


def _all_pole(sections: Array, length: int) -> Array:
    """Impulse responses g (..., m, length) of 1 / D_i."""
    d1, d2 = sections[..., 0, None], sections[..., 1, None]
    before, last, g = np.zeros_like(d1), np.ones_like(d1), np.ones_like(d1)  # g_{L-2}, g_{L-1}
    while g.shape[-1] < length:  # g_{s + L} = g_L g_s - d_2 g_{L-1} g_{s-1}
        next_ = -d1 * last - d2 * before
        delayed = np.concatenate([np.zeros_like(d1), g[..., :-1]], axis=-1)
        g = np.concatenate([g, next_ * g - d2 * last * delayed], axis=-1)
        before, last = g[..., -2:-1], g[..., -1:]
    return g[..., :length]
