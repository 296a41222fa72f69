"""A certified lower bound on the error of every linear system of a given order.

Let H_g be the Hankel matrix g_{i+j} (p rows, q columns) of a response g. If h is the response of an
order-n system, H_h has rank n at most. So for any matrices U (p, r) and V (q, r) (Eckart & Young)

    sum_{i>n} sigma_i(U' H_k V)^2  <=  || U' (H_k - H_h) V ||_F^2.

The right-hand side is a quadratic form of the error e = k - h alone,

    || U' H_e V ||_F^2 = e' M e,   M_st = sum_{i+j=s, i'+j'=t} (U U')_ii' (V V')_jj',

which is at most lambda_max(W^-1/2 M W^-1/2) times sum_s w_s e_s^2. Dividing by lambda_max gives a
bound for any U and V. Gradient ascent looks for good ones: first with diagonal U U' and V V', whose
M is also diagonal (their convolution), then among all of rank r.

A poor search loosens the bound but keeps it valid: the bound is recomputed from the final U and V,
minus what rounding may have added (standard backward error bounds: Higham, Accuracy and Stability
of Numerical Algorithms, 2002, sections 3.5 and 24.1; the root of the left-hand side is the distance
of a matrix from those of rank n, so it changes by no more than the matrix does).
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np
from numpy.typing import NDArray
from scipy import fft
from scipy.linalg import hankel

from mfbench.floors.descent import minimise
from mfbench.floors.problem import Array, pose

_EPS = float(np.finfo(np.float64).eps)
_TINY = 1e-300
_NOISE = 1e-12  # smaller bounds may be rounding
_HOPELESS = 1e-15  # the ascent does not lift smaller diagonal bounds above noise
_DIAGONAL_STARTS = 3  # number of starts to improve
_DIAGONAL_ITERATIONS = 40
_SHARPNESS = (8.0, 32.0, 128.0)  # of the soft maximum over eigenvalues, one after the other
_ITERATIONS = 15  # at each sharpness
_SEEN = 10  # decimals of the kernel (of energy 1) that the search sees
_CAPTURED = 0.98  # share of the diagonal bound that rank r must keep


def lower_bound(
    k: NDArray[np.floating],
    weights: NDArray[np.floating],
    order: int,
    *,
    feedthrough: bool = False,
) -> float:
    """A relative error that no linear time-invariant system of this order can beat.

    The bound also holds for unstable systems.

    Parameters
    ----------
    k : (T,) array
        Memory function.
    weights : (T,) array
        Window weights over lag.
    order : int
        Number of real states, 0 or more; a conjugate pair of poles counts as two.
    feedthrough : bool
        Whether the system has a direct path, so that lag 0 costs no state.

    Returns
    -------
    float
        0 if the order suffices to fit every lag, or if the bound is below 1e-12.

    Raises
    ------
    ValueError
        Invalid arrays, a kernel without energy, or a negative order.
    """
    problem = pose(k, weights, order, feedthrough=feedthrough)
    if order == 0 or problem.energy == 0:
        return problem.energy
    k, weights = problem.k, problem.weights
    # The search amplifies the last bits of its input, which depend on the kernel's units; rounding
    # removes them. The bounds themselves use the exact kernel.
    seen = np.round(k, _SEEN)
    found = [
        (certified_diagonal(k, weights, order, a, b), a, b)
        for a, b in _diagonal_starts(seen, weights)
    ]
    found.sort(key=lambda f: -f[0])
    best = 0.0
    promising = [f for f in found[:_DIAGONAL_STARTS] if f[0] > _HOPELESS]
    if promising:
        improved = [_ascend_diagonal(k, seen, weights, order, (a, b)) for _, a, b in promising]
        best, a, b = max([*promising[:1], *improved], key=lambda f: f[0])
        best = max(best, _ascend(k, seen, weights, order, (a, b)))
    return best if best > _NOISE else 0.0


def certified(k: Array, weights: Array, order: int, U: Array, V: Array) -> float:
    """The bound for given U (p, r) and V (q, r), p + q - 1 <= T, computed from its definition.

    The columns of Z are the convolutions of all pairs of columns of U and V, so that M = Z Z'.
    """
    p, q = len(U), len(V)
    seen = p + q - 1
    w, H = weights[:seen], hankel(k[:p], k[p - 1 : seen])
    spectra = [fft.rfft(F, 2 * seen, axis=0) for F in (U, V)]
    Z = fft.irfft(spectra[0][:, :, None] * spectra[1][:, None], 2 * seen, axis=0)
    Z = Z[:seen].reshape(seen, -1) / np.sqrt(w)[:, None]
    gram = Z @ Z.T if Z.shape[1] > seen else Z.T @ Z
    largest = np.linalg.eigvalsh(gram)[-1]
    size = np.linalg.norm(U) * np.linalg.norm(V)
    # Rounding of the product, then of the transforms: log2 of their size is below seen + 64.
    denominator = np.sqrt(largest + max(Z.shape) * _EPS * np.trace(gram))
    denominator += (seen + 64) * _EPS * size / np.sqrt(w.min())
    values = np.linalg.svd(U.T @ H @ V, compute_uv=False)
    tail = float(np.linalg.norm(values[order:]) - 2 * seen * _EPS * size * np.linalg.norm(H))
    return float(max(tail, 0.0) / denominator) ** 2


def certified_diagonal(k: Array, weights: Array, order: int, a: Array, b: Array) -> float:
    """The bound for U U' = diag(a), V V' = diag(b); M is diagonal, the convolution of a and b."""
    p, seen = len(a), len(a) + len(b) - 1
    N = np.sqrt(a)[:, None] * hankel(k[:p], k[p - 1 : seen]) * np.sqrt(b)
    values = np.linalg.svd(N, compute_uv=False)
    largest = np.max(np.convolve(a, b) / weights[:seen]) * (1 + seen * _EPS)
    tail = float(np.linalg.norm(values[order:]) - 2 * seen * _EPS * np.linalg.norm(N))
    return float(max(tail, 0.0) ** 2 / largest)


def _diagonal_starts(k: Array, weights: Array) -> Iterator[tuple[Array, Array]]:
    """Starting diagonals a (p,) of U U' and b (q,) of V V'."""
    length = len(k)
    held = np.cumsum(weights * k**2)
    half, most = (int(np.searchsorted(held, share * held[-1])) + 1 for share in (0.5, 0.99))
    for seen in sorted({min(length, 3 * most), length}):
        p = (seen + 1) // 2
        q = seen - p + 1
        for flat in sorted({max(1, int(seen * share)) for share in (0.1, 0.25, 0.75, 0.9)}):
            yield weights[flat - 1 : seen] / flat, np.ones(flat)
        # Coefficients of (1-z)^-theta and (1-z)^(theta-1), whose convolution is 1 everywhere.
        for theta in (0.3, 0.5):
            yield _binomial(theta, p), _binomial(1 - theta, q)
        # Blocks of m lags, for energy around lag m - 1: exact for an impulse at m - 1.
        for m in sorted({min(p, half), min(p, most), min(p, 2 * most)}):
            yield _block(p, m), _block(q, m)
        if most > p:  # for energy in the second half of the window: the last lags of both
            yield _block(p, seen - most + 1)[::-1], _block(q, seen - most + 1)[::-1]


def _binomial(theta: float, size: int) -> Array:
    i = np.arange(1, size)
    return np.cumprod(np.append(1.0, (i - 1 + theta) / i))


def _block(size: int, ones: int) -> Array:
    """Ones, then 1e-9 rather than 0, so that the ascent can raise it."""
    return np.where(np.arange(size) < ones, 1.0, 1e-9)


def _ascend_diagonal(
    k: Array, seen: Array, weights: Array, order: int, start: tuple[Array, Array]
) -> tuple[float, Array, Array]:
    """Improve diagonals by gradient ascent; return their bound and the diagonals."""
    p = len(start[0])
    _, x = minimise(
        lambda x: diagonal_objective(seen, weights, order, x, rows=p),
        np.log(np.concatenate(start)),
        iterations=_DIAGONAL_ITERATIONS,
    )
    a, b = _diagonals(x, p)
    return certified_diagonal(k, weights, order, a, b), a, b


def diagonal_objective(
    k: Array, weights: Array, order: int, x: Array, *, rows: int, sharpness: float = 64.0
) -> tuple[float, Array]:
    """Minus the log of the bound at a = exp(x[:rows]), b = exp(x[rows:]), and its gradient.

    A soft maximum makes it differentiable.
    """
    a, b = _diagonals(x, rows)
    H, w = hankel(k[:rows], k[rows - 1 : len(x) - 1]), weights[: len(x) - 1]
    U, s, Vt = np.linalg.svd(np.sqrt(a)[:, None] * H * np.sqrt(b), full_matrices=False)
    tail = s[order:] ** 2
    total = tail.sum() + _TINY
    gain = np.concatenate([U[:, order:] ** 2 @ tail, tail @ Vt[order:] ** 2]) / total
    soft, slope = _soft_maximum(np.convolve(a, b) / w, sharpness)
    slope = slope / w
    cost = [a * np.correlate(slope, b, "valid"), b * np.correlate(slope, a, "valid")]
    return soft - float(np.log(total)), np.concatenate(cost) - gain


def _diagonals(x: Array, rows: int) -> tuple[Array, Array]:
    """exp(x), each part scaled to a maximum of 1: the bound does not depend on the scales."""
    a, b = x[:rows], x[rows:]
    return np.exp(a - a.max()), np.exp(b - b.max())


def _ascend(k: Array, seen: Array, weights: Array, order: int, start: tuple[Array, Array]) -> float:
    """The best bound among all U and V of a rank that keeps most of the diagonal bound."""
    a, b = start
    p, q = len(a), len(b)
    H = hankel(seen[:p], seen[p - 1 : p + q - 1])
    left, s, right = np.linalg.svd(np.sqrt(a)[:, None] * H * np.sqrt(b), full_matrices=False)
    tail = np.cumsum(s[::-1] ** 2)[::-1]
    rank = int(np.sum(tail > (1 - _CAPTURED) * tail[order]))
    rank = min(len(s), max(rank, 2 * order + 2, 8))
    U, V = np.sqrt(a)[:, None] * left[:, :rank], np.sqrt(b)[:, None] * right[:rank].T
    best, x = 0.0, np.concatenate([U.ravel(), V.ravel()])
    for sharpness in _SHARPNESS:
        step = partial(objective, seen, weights, order, rows=p, rank=rank, sharpness=sharpness)
        _, x = minimise(step, x, iterations=_ITERATIONS)
        U, V = x[: p * rank].reshape(p, rank), x[p * rank :].reshape(q, rank)
        best = max(best, certified(k, weights, order, U, V))
    return best


def objective(
    k: Array, weights: Array, order: int, x: Array, *, rows: int, rank: int, sharpness: float
) -> tuple[float, Array]:
    """Minus the log of the bound at U (p, r) and V (q, r), both in x, and its gradient.

    A soft maximum makes it differentiable. M is a two-dimensional convolution of U U' and V V', so
    FFTs compute M and its gradient.
    """
    p, q = rows, len(x) // rank - rows
    seen = p + q - 1
    U, V = x[: p * rank].reshape(p, rank), x[p * rank :].reshape(q, rank)
    H, inverse = hankel(k[:p], k[p - 1 : seen]), 1 / np.sqrt(weights[:seen])
    HV = H @ V
    left, s, right = np.linalg.svd(U.T @ HV)
    total = np.sum(s[order:] ** 2) + _TINY
    dN = 2 / total * (left[:, order:] * s[order:]) @ right[order:]
    size = (fft.next_fast_len(seen, real=True),) * 2
    P, Q = fft.rfft2(U @ U.T, size), fft.rfft2(V @ V.T, size)
    M = inverse[:, None] * fft.irfft2(P * Q, size)[:seen, :seen] * inverse
    # All eigenvalues: LAPACK's search for a subset fails on nearly diagonal matrices.
    values, vectors = np.linalg.eigh(M)
    soft, slope = _soft_maximum(values, sharpness)
    vectors = inverse[:, None] * vectors
    dM = fft.rfft2((vectors * slope) @ vectors.T, size)
    dP = fft.irfft2(dM * Q.conj(), size)[:p, :p]
    dQ = fft.irfft2(dM * P.conj(), size)[:q, :q]
    gradient = [2 * dP @ U - HV @ dN.T, 2 * dQ @ V - H.T @ (U @ dN)]
    return soft - float(np.log(total)), np.concatenate([g.ravel() for g in gradient])


def _soft_maximum(values: Array, sharpness: float) -> tuple[float, Array]:
    """Log of the `sharpness`-norm of values, and its gradient; values below 0 are rounding."""
    largest = values.max()
    ratio = np.maximum(values, 0.0) / largest
    total = np.sum(ratio**sharpness)
    slope = ratio ** (sharpness - 1) / (largest * total)
    return float(np.log(largest) + np.log(total) / sharpness), slope
