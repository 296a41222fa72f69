"""The floor when coefficients may not cancel each other.

Sums of decaying exponentials fit nearly anything if huge coefficients of opposite sign are allowed:
no training finds them and no rounding survives them. Coefficients therefore pay:

    F = min_{c, p}  sum_s w_s (k_s - sum_j c_j p_j^s)^2 + delta^2 sum_j |c_j|^2 sum_s w_s |p_j|^2s,

the mean error when each of the n terms is disturbed by a share delta of itself. The poles are real
and positive (pure decay), or also come in conjugate pairs.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from mfbench.floors.descent import minimise
from mfbench.floors.problem import Array, pose
from mfbench.floors.upper import upper_bound

Poles = Literal["real", "complex"]
_ITERATIONS = 200
_LONGEST = 20.0  # time constants start at up to this many windows


def stable_floor(
    k: NDArray[np.floating],
    weights: NDArray[np.floating],
    order: int,
    *,
    poles: Poles,
    delta: float = 1e-2,
    feedthrough: bool = False,
) -> float:
    """Least relative error found when n terms carry relative disturbances of size delta.

    Parameters
    ----------
    k, weights : (T,) arrays
        Memory function and window weights over lag.
    order : int
        Number of real states; a conjugate pair counts as two.
    poles : {"real", "complex"}
        Real and positive ones only, or conjugate pairs as well.
    delta : float
        Relative size of the disturbances, above 0.
    feedthrough : bool
        Lag 0 costs no state (and its coefficient is not disturbed).

    Raises
    ------
    ValueError
        Arrays that do not fit together, a kernel without energy, a negative order, or a delta
        that is not positive.
    """
    if not delta > 0:
        raise ValueError(f"delta = {delta} must be greater than 0")
    if poles not in ("real", "complex"):
        raise ValueError(f"poles = {poles!r} must be 'real' or 'complex'")
    problem = pose(k, weights, order, feedthrough=feedthrough)
    if order == 0 or problem.energy == 0:
        return problem.energy
    found = [problem.energy]
    for pairs in sorted({0, order // 4, order // 2} if poles == "complex" else {0}):
        for start in _starts(problem.k, problem.weights, order, pairs):
            objective = partial(
                penalised_error, problem.k, problem.weights, pairs=pairs, delta=delta
            )
            found.append(minimise(objective, start, iterations=_ITERATIONS)[0])
    return min(found)


def penalised_error(
    k: Array, weights: Array, x: Array, *, pairs: int, delta: float
) -> tuple[float, Array]:
    """F at given poles, least in the coefficients, and its slope in x.

    Poles are p_j = exp(-exp(x_j) + i theta_j): x holds the log decay rates of the pairs, then of
    the real poles, then the angles of the pairs.
    """
    s = np.arange(len(k), dtype=np.float64)
    count = len(x) - pairs
    rate = np.exp(np.clip(x[:count], -30.0, 30.0))
    size = np.exp(-s[:, None] * rate)  # |p|^s, (T, poles)
    turn = s[:, None] * x[count:]
    first = size.copy()
    first[:, :pairs] *= np.cos(turn)
    second = size[:, :pairs] * np.sin(turn)
    columns = np.concatenate([first, second], axis=1)  # (T, n)
    root = np.sqrt(weights)
    # A pair c p^s + c* p*^s has the columns' coefficients 2 Re c, -2 Im c: half the penalty each.
    share = np.where(np.arange(count) < pairs, 0.5, 1.0)
    norm = share * (weights @ size**2)  # (poles,)
    ridge = delta * np.sqrt(np.concatenate([norm, norm[:pairs]]))
    matrix = np.concatenate([root[:, None] * columns, np.diag(ridge)])
    target = np.concatenate([root * k, np.zeros(len(ridge))])
    c = np.linalg.lstsq(matrix, target, rcond=None)[0]
    residual = matrix @ c - target
    # At the best c only the explicit dependence on the poles is left (envelope theorem).
    pull = 2 * root * residual[: len(k)]
    a, b = c[:count], c[count:]
    wave = a * first
    wave[:, :pairs] += b * second
    amplitude = a**2
    amplitude[:pairs] += b**2
    slope_norm = share * (weights @ (-2 * s[:, None] * rate * size**2))
    by_rate = pull @ (-s[:, None] * rate * wave) + delta**2 * amplitude * slope_norm
    by_angle = pull @ (s[:, None] * (b * first[:, :pairs] - a[:pairs] * second))
    return float(residual @ residual), np.concatenate([by_rate, by_angle])


def _starts(k: Array, weights: Array, order: int, pairs: int) -> Iterator[Array]:
    """Time constants spread evenly in their logarithm, or all equal; angles likewise, or optimal.

    Equal poles stay equal in the descent: they share one coefficient, each at a part of the price.
    """
    count = order - pairs
    length = len(k)
    spread = (np.arange(count) + 0.5) / count
    for shortest, longest in ((0.3, 1.0), (1.0, _LONGEST), (0.1, 0.2)):
        rates = -np.log(shortest * (longest * length / shortest) ** spread)
        if not pairs:
            yield rates
            continue
        for highest in (0.3, 1.0):
            angles = highest * np.pi * (np.arange(pairs) + 0.5) / pairs
            yield np.concatenate([rates, angles])
    for timescale in (0.01, 0.1):
        rates = np.full(count, -np.log(1 + timescale * length))
        yield np.concatenate([rates, np.full(pairs, 0.2 * np.pi)])
    if pairs:
        best = upper_bound(k, weights, order).poles
        best = best[best.imag > 0][:pairs]
        missing = pairs - len(best)
        p = np.concatenate([best, np.full(missing, 0.9 * np.exp(0.1j)), [0.9] * (count - pairs)])
        radius = np.clip(np.abs(p), 1e-9, 1 - 1e-9)
        yield np.concatenate([np.log(-np.log(radius)), np.angle(p[:pairs])])
