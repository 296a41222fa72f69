"""The best linear system of a given order that a search finds: an upper bound that is attained.

The response is linear in everything but the poles. So Levenberg-Marquardt searches for the poles
only, and the rest is projected out: variable projection (Golub & Pereyra 1973, in Kaufman's form).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mfbench.floors.cascade import (
    MARGIN,
    basis,
    inside,
    poles_of,
    reflections,
    sections_of,
    state_space,
    tangents,
)
from mfbench.floors.descent import Slopes, least_squares, minimise
from mfbench.floors.problem import Array, Problem, pose
from mfbench.floors.start import starting_points

_SCOUT = 12  # iterations from every starting point
_FINALISTS = 6  # number of best starting points that go on
_ITERATIONS = 150
_POLISH = 150  # iterations that take the best one to its minimum
_NOISE = 1e-15  # smaller relative errors are rounding


@dataclass(frozen=True)
class LinearSystem:
    """A stable linear recurrence x_{s+1} = A x_s, h_s = C x_s with x_0 = B (and h_0 = D, if any).

    Attributes
    ----------
    error : float
        Its relative error, recomputed from `impulse_response` in float64.
    poles : (n,) complex array
        Eigenvalues of A, inside the unit circle, in the order of the cascade's sections.
    coefficients : (n,) array
        C: weights of the cascade's orthonormal states. (Weights of the powers p^s would be
        huge if poles are close.)
    impulse_response : (T,) array
        In the units of the kernel.
    A, B : (n, n) and (n,) arrays
        The orthonormal realisation, ``A A' + B B' = I``.
    D : float or None
        Feedthrough; None if the system has none.
    """

    error: float
    poles: NDArray[np.complex128]
    coefficients: Array
    impulse_response: Array
    A: Array
    B: Array
    D: float | None = None

    @property
    def order(self) -> int:
        """Number of real states n."""
        return len(self.poles)


def upper_bound(
    k: NDArray[np.floating],
    weights: NDArray[np.floating],
    order: int,
    *,
    feedthrough: bool = False,
) -> LinearSystem:
    """The best stable system of a given order, found by a search from many starting points.

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

    Raises
    ------
    ValueError
        Invalid arrays, a kernel without energy, or a negative order.
    """
    problem = pose(k, weights, order, feedthrough=feedthrough)
    if order == 0 or problem.energy == 0:
        empty = np.zeros((order + 1) // 2 * 2).reshape(-1, 2)
        return _system(problem, empty, order)
    starts = np.array(list(starting_points(problem.k, problem.weights, order)))
    starts, along_circle = np.repeat(starts, 2, axis=0), np.arange(2 * len(starts)) % 2 == 1
    error, scouts = _descend(problem, starts, order, along_circle, iterations=_SCOUT)
    # Errors below noise are ties; the first start, the shift register, is exact if it fits.
    best = np.argsort(np.maximum(error, _NOISE), kind="stable")[:_FINALISTS]
    finals = _descend(problem, scouts[best], order, along_circle[best], iterations=_ITERATIONS)
    # Compare explicit systems: a projection would also count states that are only rounding errors.
    systems = [_system(problem, sections, order) for sections in finals[1]]
    final = int(np.argmin([system.error for system in systems]))
    polished = _polish(problem, finals[0][final], finals[1][final], order)
    systems.append(_system(problem, polished, order))
    return min(systems, key=lambda system: system.error)


def improve(
    k: NDArray[np.floating],
    weights: NDArray[np.floating],
    system: LinearSystem,
    *,
    order: int,
) -> LinearSystem:
    """A system of higher order with no larger error: add poles at 0, then optimise them all."""
    problem = pose(k, weights, order, feedthrough=system.D is not None)
    poles = np.append(system.poles, np.zeros(order - system.order))
    start = sections_of(poles)
    _, found = _descend(problem, start[None], order, np.array([True]), iterations=_ITERATIONS)
    systems = [_system(problem, s, order) for s in (start, found[0])]
    return min(systems, key=lambda found: found.error)


def _descend(
    problem: Problem,
    starts: Array,
    order: int,
    along_circle: NDArray[np.bool_],
    *,
    iterations: int,
) -> tuple[Array, Array]:
    """Levenberg-Marquardt inside the unit circle; return errors (S,), denominators (S, m, 2).

    A step that leaves the circle is shortened. With `along_circle` its poles are moved back instead
    and can slide along the circle, where kernels that end with the window want them.
    """
    root = np.sqrt(problem.weights)

    def sections(x: Array) -> Array:
        padded = np.zeros((len(x), starts[0].size))
        padded[:, :order] = x
        return padded.reshape(len(x), -1, 2)

    def fit(x: Array) -> tuple[Array, Slopes]:
        error, residual, Q, h = _project(problem, sections(x), order)

        def slopes(at: NDArray[np.int_]) -> tuple[Array, Array]:
            J = root[:, None] * tangents(sections(x[at]), order, h[at])
            # The projection absorbs a part of the change; the rest changes the residual.
            J = Q[at] @ (Q[at].swapaxes(1, 2) @ J) - J
            return J.swapaxes(1, 2) @ J, (residual[at, None] @ J)[:, 0]

        return error, slopes

    def confine(x: Array, at: NDArray[np.int_]) -> tuple[Array, NDArray[np.bool_]]:
        moved = inside(sections(x)).reshape(len(x), -1)[:, :order]
        return moved, along_circle[at] | np.all(moved == x, axis=1)

    flat = starts.reshape(len(starts), -1)[:, :order]
    error, x = least_squares(fit, flat, iterations=iterations, enough=_NOISE, confine=confine)
    return error, sections(x)


def _project(problem: Problem, sections: Array, order: int) -> tuple[Array, Array, Array, Array]:
    """Best responses h (S, T) with given poles: errors, weighted residuals, weighted bases, h."""
    root = np.sqrt(problem.weights)
    X = basis(sections, order, len(root))  # (S, T, n)
    Q, _ = np.linalg.qr(root[:, None] * X)
    target = root * problem.k
    residual = target - (Q @ (target @ Q)[..., None])[..., 0]
    return np.sum(residual**2, axis=1), residual, Q, problem.k - residual / root


def _coefficients(matrix: Array, target: Array, *, cut: float | None = None) -> Array:
    """Least-squares solution without singular values below `cut` (default: rounding errors).

    Columns are scaled first. The states of poles on the circle hardly change within the window and
    would otherwise be cut as rounding errors.
    """
    size = np.linalg.norm(matrix, axis=0)
    scale = np.where(size > 0, size, 1.0)
    return np.asarray(np.linalg.lstsq(matrix / scale, target, rcond=cut)[0] / scale)


def _polish(problem: Problem, error: float, sections: Array, order: int) -> Array:
    """Go to the minimum by quasi-Newton steps: Levenberg-Marquardt is slow if the error is large.

    The variables are the inverse hyperbolic tangents of the reflection coefficients, which are
    unbounded.
    """
    if error < _NOISE:
        return sections
    root = np.sqrt(problem.weights)

    def denominators(x: Array) -> tuple[Array, Array]:
        g = np.zeros_like(sections)
        g.flat[:order] = np.clip(np.tanh(x), -1 + MARGIN, 1 - MARGIN)
        return np.stack([g[:, 0] * (1 + g[:, 1]), g[:, 1]], axis=1), g

    def objective(x: Array) -> tuple[float, Array]:
        moved, g = denominators(x)
        error, residual, _, h = (part[0] for part in _project(problem, moved[None], order))
        slope = np.zeros(sections.size)
        slope[:order] = -2 * (root * residual) @ tangents(moved, order, h)
        by_d1, by_d2 = slope.reshape(-1, 2).T
        by_g = np.stack([by_d1 * (1 + g[:, 1]), by_d1 * g[:, 0] + by_d2], axis=1)
        # The logarithm, because the descent stops at small absolute gradients.
        return float(np.log(error)), ((1 - g**2) * by_g).ravel()[:order] / error

    start = np.arctanh(np.clip(reflections(sections), -1 + MARGIN, 1 - MARGIN))
    _, x = minimise(objective, start.ravel()[:order], iterations=_POLISH)
    polished = inside(denominators(x)[0])
    better = _project(problem, polished[None], order)[0][0] < error
    return polished if better else sections


def _system(problem: Problem, sections: Array, order: int) -> LinearSystem:
    """The explicit system, with the error computed from its own recurrence."""
    A, B = state_space(sections, order)
    states = [B]
    while len(states) < len(problem.k):
        states.append(A @ states[-1])
    X = np.array(states)
    root = np.sqrt(problem.weights)
    # Small singular values are rounding errors (more states than lags) or real (poles on the
    # circle): try both and keep the better response.
    found = [_coefficients(root[:, None] * X, root * problem.k, cut=c) for c in (None, 0.0)]
    C = min(found, key=lambda C: problem.relative_error(X @ C))
    h = X @ C
    return LinearSystem(
        error=problem.relative_error(h),
        poles=poles_of(sections, order),
        coefficients=C * problem.scale,
        impulse_response=problem.complete(h),
        A=A,
        B=B,
        D=problem.lag_zero,
    )
