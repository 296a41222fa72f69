"""The floor when terms may not cancel each other.

With huge coefficients of opposite sign, sums of decaying exponentials fit nearly anything. But
training does not find these coefficients, and rounding spoils the fit. So they are penalised:

    F = min_{c, p}  sum_s w_s (k_s - sum_j c_j p_j^s)^2 + delta^2 sum_j |c_j|^2 sum_s w_s |p_j|^2s,

the mean error if each of the n terms has a random disturbance of relative size delta. The poles are
either all real and positive (pure decay), or include conjugate pairs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from mfbench.floors.descent import Slopes, least_squares, minimise
from mfbench.floors.problem import Array, Problem, pose
from mfbench.floors.upper import LinearSystem

# Shortest and longest time constants to start from, in steps; for real poles only.
_SPANS = ((0.05, 1), (0.1, 4), (0.2, 10), (0.3, 3), (0.5, 20))
# The same for all poles, but with the longest in units of the sequence length.
_WINDOWS = ((0.1, 0.2), (0.2, 2), (0.3, 1), (0.5, 1), (1, 20), (10, 4))
_SCOUT = 10  # iterations from every start
_FINALISTS = 2  # number of best starts that go on
_ITERATIONS = 40
_POLISH = 200  # iterations that take the best one to its minimum
_CAUTION = 10.0  # initial damping: a long first step loses fast-decaying poles
_ATTAINED = 1 + 1e-9  # a search stops this close to the lowest possible value
_STIFF = 1e-4  # below this delta, normal equations lose too many digits

Terms = tuple[Array, int]  # variables of `penalised_fit`, and the number of pairs


def stable_floors(
    k: NDArray[np.floating],
    weights: NDArray[np.floating],
    systems: Sequence[LinearSystem],
    *,
    delta: float,
) -> Array:
    """Lowest relative errors found at the orders of N systems if terms have random disturbances.

    Each search also starts from the poles of its system and from the terms found for the order
    before.

    Parameters
    ----------
    k, weights : (T,) arrays
        Memory function and window weights over lag.
    systems : sequence of LinearSystem
        The best systems of ascending orders. If they have a direct path, lag 0 costs no state, and
        its coefficient is not disturbed.
    delta : float
        Relative size of the disturbances, above 0.

    Returns
    -------
    (N, 2) array
        With real positive poles only, and with conjugate pairs as well.

    Raises
    ------
    ValueError
        Invalid arrays, a kernel without energy, or a delta that is not positive.
    """
    floors, real, both = [], None, None
    for system in systems:
        n = system.order
        problem = pose(k, weights, n, feedthrough=system.D is not None)
        error, real = _least(problem, n, 0, delta, smaller=real)
        found = [(error, real)]
        if error > _enough(problem, n, delta):
            found += [
                _least(problem, n, pairs, delta, poles=system.poles, smaller=both)
                for pairs in sorted({n // 4, n // 2} - {0})
            ]
        least, both = min(found, key=lambda f: f[0])
        floors.append((error, least))
    return np.minimum.accumulate(floors)


def _enough(problem: Problem, order: int, delta: float) -> float:
    """The lowest possible value: docs/theory.md (12), times the energy to fit."""
    return _ATTAINED * problem.energy * delta**2 / (order + delta**2) if order else problem.energy


def _least(
    problem: Problem,
    order: int,
    pairs: int,
    delta: float,
    *,
    poles: NDArray[np.complex128] | None = None,
    smaller: Terms | None = None,
) -> tuple[float, Terms]:
    """The lowest penalised error found with a given number of pairs, and its terms."""
    if not delta > 0:
        raise ValueError(f"delta = {delta} must be greater than 0")
    if order == 0 or problem.energy == 0:
        return problem.energy, (np.zeros(order), 0)
    k, weights = problem.k, problem.weights
    fit = partial(penalised_fit, k, weights, pairs=pairs, delta=delta)
    enough = _enough(problem, order, delta)
    starts = np.array(list(_starts(len(k), order, pairs, poles, smaller)))
    error, x = least_squares(fit, starts, iterations=_SCOUT, enough=enough, damping=_CAUTION)
    best = np.argsort(error, kind="stable")[:_FINALISTS]
    error, x = least_squares(fit, x[best], iterations=_ITERATIONS, enough=enough)
    final = x[np.argmin(error)]
    if error.min() > enough:

        def objective(x: Array) -> tuple[float, Array]:
            error, slopes = fit(x[None])
            return float(np.log(error[0])), 2 * slopes(np.array([0]))[1][0] / error[0]

        _, final = minimise(objective, final, iterations=_POLISH)
    return min(problem.energy, float(error.min()), float(fit(final[None])[0][0])), (final, pairs)


def penalised_fit(
    k: Array, weights: Array, x: Array, *, pairs: int, delta: float
) -> tuple[Array, Slopes]:
    """F (S,) at given poles, minimised over the coefficients, and its `Slopes`.

    Poles are p_j = exp(-exp(x_j) + i theta_j): x (S, n) holds the log decay rates of the pairs,
    then of the real poles, then the angles of the pairs. Terms are scaled to the same penalty.
    """
    T, n = len(k), x.shape[1]
    s, root = np.arange(T, dtype=np.float64)[:, None], np.sqrt(weights)
    count = n - pairs
    rate = np.exp(np.clip(x[:, :count], -30.0, 30.0))  # (S, poles)
    angle = np.pad(x[:, count:], ((0, 0), (0, count - pairs)))
    powers = _powers(np.exp(-rate + 1j * angle), T)
    size = weights[:, None] * (powers.real**2 + powers.imag**2)  # (S, T, poles)
    energy = size.sum(axis=1)
    # A pair c p^s + c* p*^s has real coefficients 2 Re c, -2 Im c, each with half the penalty.
    share = np.where(np.arange(count) < pairs, 0.5, 1.0)
    powers *= root[:, None] / np.sqrt(share * energy)[:, None]
    first, second = powers.real, powers.imag[..., :pairs]
    X = np.concatenate([first, second], axis=-1)  # (S, T, n)
    transposed = X.swapaxes(1, 2)
    target = root * k
    if delta > _STIFF:
        gram = transposed @ X + delta**2 * np.eye(n)
        factor = np.linalg.cholesky(gram)
        c = np.linalg.solve(gram, (target @ X)[..., None])
    else:
        ridge = np.broadcast_to(delta * np.eye(n), (len(x), n, n))
        Q, R = np.linalg.qr(np.concatenate([X, ridge], axis=1))
        factor = R.swapaxes(1, 2)
        c = np.linalg.solve(R, (target @ Q[:, :T])[..., None])
    residual = target - (X @ c)[..., 0]
    error = np.sum(residual**2, axis=1) + delta**2 * np.sum(c[..., 0] ** 2, axis=1)

    def slopes(at: NDArray[np.int_]) -> tuple[Array, Array]:
        a, b = np.split(c[at].swapaxes(1, 2), [count], axis=-1)
        wave = a * first[at]
        wave[..., :pairs] += b * second[at]
        mean_lag = (s[:, 0] @ size[at] / energy[at])[:, None]
        by_rate = wave * (rate[at, None] * (mean_lag - s))
        by_angle = s * (b * first[at, :, :pairs] - a[..., :pairs] * second[at])
        J = np.concatenate([by_rate, by_angle], axis=-1)
        # Refitting the coefficients absorbs X K, with K = (X' X + delta^2)^-1 X' J.
        K = np.linalg.solve(factor[at], transposed[at] @ J)
        K = np.linalg.solve(factor[at].swapaxes(1, 2), K)
        gradient = -(residual[at, None] @ J)[:, 0]
        J -= X[at] @ K
        G = J.swapaxes(1, 2) @ J + delta**2 * K.swapaxes(1, 2) @ K
        return G, gradient

    return error, slopes


def _powers(z: NDArray[np.complex128], length: int) -> NDArray[np.complex128]:
    """z^s, (S, length, poles), for s = 0..length-1."""
    powers = np.ones((len(z), 1, z.shape[1]), dtype=complex)
    step = z[:, None]  # z^L
    while powers.shape[1] < length:
        powers = np.concatenate([powers, step * powers[:, : length - powers.shape[1]]], axis=1)
        step = step**2
    return powers


def _starts(
    length: int,
    order: int,
    pairs: int,
    poles: NDArray[np.complex128] | None,
    smaller: Terms | None,
) -> Iterator[Array]:
    """Poles to start from: evenly spread (time constants in their logarithm), equal, or given.

    Equal poles stay equal in the descent: they split one coefficient, which lowers its penalty.
    """
    count = order - pairs
    spread = (np.arange(count) + 0.5) / count
    steps = np.pi * (np.arange(pairs) + 0.5) / max(pairs, 1)
    spans = [(shortest, windows * length) for shortest, windows in _WINDOWS]
    if not pairs:
        spans += _SPANS
    for shortest, longest in spans:
        rates = -np.log(shortest * (longest / shortest) ** spread)
        for highest in (0.3, 1.0) if pairs else (1.0,):
            yield np.concatenate([rates, highest * steps])
    for timescale in (0.01, 0.1):
        rates = np.full(count, -np.log(1 + timescale * length))
        yield np.concatenate([rates, np.full(pairs, 0.2 * np.pi)])
    if pairs and poles is not None:
        best = poles[poles.imag > 0][:pairs]
        missing = pairs - len(best)
        p = np.concatenate([best, np.full(missing, 0.9 * np.exp(0.1j)), [0.9] * (count - pairs)])
        radius = np.clip(np.abs(p), 1e-9, 1 - 1e-9)
        yield np.concatenate([np.log(-np.log(radius)), np.angle(p[:pairs])])
    if smaller is not None and smaller[0].size:
        x, before = smaller
        held = len(x) - before
        angles = np.append(x[held:], np.full(held - before, 0.02))  # real poles become close pairs
        of_pairs = np.resize(np.arange(held), pairs)
        of_real = np.resize(np.arange(before % held, held), count - pairs)
        for apart in (0.0, 0.2, 0.6):  # copies of a term are equal, or apart
            shift = np.linspace(-apart, apart, count)
            rates = x[np.concatenate([of_pairs, of_real])] + shift
            yield np.concatenate([rates, angles[of_pairs] * (1 + 0.3 * shift[:pairs])])
