"""The best linear system of a given order that we can find: an upper bound with its witness.

Variable projection (Golub & Pereyra 1973, in Kaufman's form): the response is linear in all but the
poles, so only these are searched, by Levenberg-Marquardt, with the rest projected out.
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
_FINALISTS = 6  # the best of them go on
_ITERATIONS = 150
_POLISH = 150  # iterations that bring the best one to the bottom of its valley
_NOISE = 1e-15  # relative errors below are rounding


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
        astronomically large where poles are close.)
    impulse_response : (T,) array
        In the units of the kernel.
    A, B : (n, n) and (n,) arrays
        The orthonormal realisation, ``A A' + B B' = I``.
    D : float or None
        Feedthrough; None where the system has none.
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
    """The best stable system of an order that a search from many starting points finds.

    Parameters
    ----------
    k : (T,) array
        Memory function.
    weights : (T,) array
        Window weights over lag.
    order : int
        Number of real states, 0 or more; a conjugate pair of poles counts as two.
    feedthrough : bool
        The system also has a direct path, so that lag 0 costs no state.

    Raises
    ------
    ValueError
        Arrays that do not fit together, a kernel without energy, or a negative order.
    """
    problem = pose(k, weights, order, feedthrough=feedthrough)
    if order == 0 or problem.energy == 0:
        empty = np.zeros((order + 1) // 2 * 2).reshape(-1, 2)
        return _system(problem, empty, order)
    starts = np.array(list(starting_points(problem.k, problem.weights, order)))
    starts, along_circle = np.repeat(starts, 2, axis=0), np.arange(2 * len(starts)) % 2 == 1
    error, scouts = _descend(problem, starts, order, along_circle, iterations=_SCOUT)
    # Below noise all are equal; the shift register comes first and is exact where it fits.
    best = np.argsort(np.maximum(error, _NOISE), kind="stable")[:_FINALISTS]
    finals = _descend(problem, scouts[best], order, along_circle[best], iterations=_ITERATIONS)
    # Chosen by the response of the explicit system: states that rounding has made of nothing can
    # span anything, and the projection would count that.
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
    """A system of a higher order that is as good or better: poles at 0 are added, then all move."""
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
    """Levenberg-Marquardt on denominators (S, m, 2), inside the unit circle; errors (S,) as well.

    A step that leaves it is shortened, or its poles are moved back: kernels that end with the
    window want poles on the circle, and only the second way goes along it.
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
            # Change of the residual: what the projection cannot take up.
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
    """The best responses h (S, T) with given poles: errors, weighted residuals and bases, and h."""
    root = np.sqrt(problem.weights)
    X = basis(sections, order, len(root))  # (S, T, n)
    Q, _ = np.linalg.qr(root[:, None] * X)
    target = root * problem.k
    residual = target - (Q @ (target @ Q)[..., None])[..., 0]
    return np.sum(residual**2, axis=1), residual, Q, problem.k - residual / root


def _coefficients(matrix: Array, target: Array, *, cut: float | None = None) -> Array:
    """Least-squares solution without singular values below `cut`, by default those of rounding.

    Poles on the circle make states that hardly move on a finite window: columns are scaled, or such
    a state would count as none.
    """
    size = np.linalg.norm(matrix, axis=0)
    scale = np.where(size > 0, size, 1.0)
    return np.asarray(np.linalg.lstsq(matrix / scale, target, rcond=cut)[0] / scale)


def _polish(problem: Problem, error: float, sections: Array, order: int) -> Array:
    """The bottom of the valley, where Levenberg-Marquardt creeps if the error stays large.

    Quasi-Newton steps on the reflection coefficients, whose inverse hyperbolic tangents are free.
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
        # Relative to the error: descent stops where slopes are small in absolute terms.
        return float(np.log(error)), ((1 - g**2) * by_g).ravel()[:order] / error

    start = np.arctanh(np.clip(reflections(sections), -1 + MARGIN, 1 - MARGIN))
    _, x = minimise(objective, start.ravel()[:order], iterations=_POLISH)
    polished = inside(denominators(x)[0])
    better = _project(problem, polished[None], order)[0][0] < error
    return polished if better else sections


def _system(problem: Problem, sections: Array, order: int) -> LinearSystem:
    """The explicit system, with its error computed anew from its own recurrence."""
    A, B = state_space(sections, order)
    states = [B]
    while len(states) < len(problem.k):
        states.append(A @ states[-1])
    X = np.array(states)
    root = np.sqrt(problem.weights)
    # Small singular values may be rounding (more states than lags) or what a pole on the circle
    # still moves: both ways are tried, and the response says which is right.
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
