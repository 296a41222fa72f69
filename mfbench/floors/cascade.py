"""Systems of a given order with an orthonormal basis for what they can answer.

A system with poles p_1..p_n answers an impulse with a sum of p_j^s (times powers of s where poles
coincide). These functions are hopelessly ill-conditioned; a cascade of all-pass sections spans the
same space with orthonormal states (Takenaka 1925; Malmquist 1925; in real arithmetic and as a
state space: Roberts & Mullis, Digital Signal Processing, 1987, ch. 10). Section i has the
denominator ``1 + d_i1 z^-1 + d_i2 z^-2``: a conjugate pair or two real poles, without a seam
between the two.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter

from mfbench.floors.problem import Array

MARGIN = 1e-9  # distance of poles from the unit circle


def reflections(sections: Array) -> Array:
    """Reflection coefficients (m, 2) of denominators (m, 2): all below 1 in size iff stable."""
    d1, d2 = sections.T
    return np.stack([d1 / (1 + d2), d2], axis=1)


def inside(sections: Array) -> Array:
    """The same denominators with poles outside the unit circle moved to just inside it."""
    large, small = _roots(sections)
    size = np.abs(large)
    if np.all(size <= 1 - MARGIN):
        return sections
    limit = 1 - MARGIN
    shrunk = [p * np.minimum(1, limit / np.maximum(np.abs(p), 1e-300)) for p in (large, small)]
    moved = np.stack([-(shrunk[0] + shrunk[1]).real, (shrunk[0] * shrunk[1]).real], axis=1)
    return np.where((size > limit)[:, None], moved, sections)


def sections_of(poles: NDArray[np.inexact]) -> Array:
    """Denominators (m, 2) of a set of poles that is closed under conjugation.

    Real poles go in pairs, from the largest down; a last single one has ``d_2 = 0`` (a section of
    order one).
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
    """The poles of a cascade; an odd order has a last section of order one."""
    return np.stack(_roots(sections), axis=1).ravel()[:order]


def _roots(sections: Array) -> tuple[NDArray[np.complex128], NDArray[np.complex128]]:
    """The two poles of each section, the larger one first; a pair's, the upper one."""
    d1, d2 = sections.T
    root = np.sqrt((d1 / 2) ** 2 - d2 + 0j)
    # Real poles: the smaller one from the product, without cancellation.
    large = -d1 / 2 + np.where((root.imag == 0) & (d1 > 0), -root, root)
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        small = np.where(root.imag != 0, large.conj(), np.where(d2 == 0, 0, d2 / large))
    return large, small


def state_space(sections: Array, order: int) -> tuple[Array, Array]:
    """Matrices A (n, n) and B (n,) of the cascade, with ``A A' + B B' = I``.

    Each section is a normalised lattice: an all-pass whose states and output are an orthogonal
    function of its states and input. The input of a section is the output of the one before.
    """
    A, B = np.zeros((order, order)), np.zeros(order)
    through, signal = 1.0, np.zeros(order)  # what enters the next section: of the input, of states
    for i, (g1, g2) in enumerate(reflections(sections)):
        j = 2 * i
        c1, c2 = np.sqrt(1 - g1**2), np.sqrt(1 - g2**2)
        if j + 1 == order:
            A[j] = c1 * signal
            A[j, j] = -g1
            B[j] = c1 * through
            break
        inputs = np.array([c1 * c2, g1 * c2])
        A[j : j + 2] = inputs[:, None] * signal
        A[j : j + 2, j : j + 2] = [[-g1, -c1 * g2], [c1, -g1 * g2]]
        B[j : j + 2] = inputs * through
        signal = g2 * signal
        signal[j + 1] = c2
        through *= g2
    return A, B


def basis(sections: Array, order: int, length: int) -> Array:
    """Responses of the states to an impulse, (length, order): row s is A^s B."""
    A, B = state_space(sections, order)
    X = B[None]
    while len(X) < length:  # A^(s + L) B = A^L (A^s B)
        X = np.concatenate([X, X @ A.T])
        A = A @ A
    return X[:length]


def tangents(sections: Array, order: int, h: Array) -> Array:
    """Change of a response h with the denominators while its numerator stays, (length, order).

    For h = N / D and D = prod D_i: dh/dd_i1 = -h z^-1 / D_i, dh/dd_i2 = -h z^-2 / D_i.
    """
    T = len(h)
    columns = np.zeros((T, order))
    for i, (d1, d2) in enumerate(sections):
        g = lfilter([1.0], [1.0, d1, d2], h)
        columns[1:, 2 * i] = -g[:-1]
        if 2 * i + 1 < order:
            columns[2:, 2 * i + 1] = -g[:-2]
    return columns
