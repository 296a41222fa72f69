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
from mfbench.floors.descent import minimise
from mfbench.floors.problem import Array, Problem, pose
from mfbench.floors.start import starting_points

_SCOUT = 12  # iterations from every starting point
_FINALISTS = 6  # the best of them go on
_ITERATIONS = 150
_POLISH = 150  # iterations that bring the best one to the bottom of its valley
_NOISE = 1e-15  # relative errors below are rounding
_PROGRESS = 1e-6  # relative gain of a step below which it counts as none


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
    scouts = [
        (*_descend(problem, start, order, iterations=_SCOUT, along_circle=along), along)
        for start in starting_points(problem.k, problem.weights, order)
        for along in (False, True)
    ]
    scouts.sort(key=lambda found: found[0])
    finals = [
        _descend(problem, sections, order, iterations=_ITERATIONS, along_circle=along)
        for _, sections, along in scouts[:_FINALISTS]
    ]
    # Chosen by the response of the explicit system: states that rounding has made of nothing can
    # span anything, and the projection would count that.
    systems = [_system(problem, sections, order) for _, sections in finals]
    best = int(np.argmin([system.error for system in systems]))
    systems.append(_system(problem, _polish(problem, *finals[best], order), order))
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
    _, sections = _descend(problem, start, order, iterations=_ITERATIONS)
    systems = [_system(problem, s, order) for s in (start, sections)]
    return min(systems, key=lambda found: found.error)


def _descend(
    problem: Problem, sections: Array, order: int, *, iterations: int, along_circle: bool = True
) -> tuple[float, Array]:
    """Levenberg-Marquardt on the denominators, inside the unit circle.

    A step that leaves it is shortened, or its poles are moved back: kernels that end with the
    window want poles on the circle, and only the second way goes along it.
    """
    root = np.sqrt(problem.weights)
    error, residual, Q, h = _project(problem, sections, order)
    damping, quiet = 1e-3, 0
    for _ in range(iterations):
        J = root[:, None] * tangents(sections, order, h)
        J = Q @ (Q.T @ J) - J  # change of the residual: what the projection cannot take up
        G, gradient = J.T @ J, J.T @ residual
        scale = np.maximum(G.diagonal(), 1e-14 * G.diagonal().max() + 1e-300)
        for _ in range(12):
            flat = sections.ravel().copy()
            flat[:order] -= np.linalg.solve(G + damping * np.diag(scale), gradient)
            step = flat.reshape(-1, 2)
            trial = inside(step)
            if along_circle or trial is step:
                found = _project(problem, trial, order)
                if found[0] < error:
                    break
            damping *= 4
        else:
            break
        quiet = quiet + 1 if error - found[0] < _PROGRESS * error else 0
        sections, (error, residual, Q, h) = trial, found
        damping = max(damping / 5, 1e-12)
        if quiet == 3 or error < _NOISE:
            break
    return error, sections


def _project(problem: Problem, sections: Array, order: int) -> tuple[float, Array, Array, Array]:
    """The best response with given poles: error, weighted residual, weighted basis, response."""
    root = np.sqrt(problem.weights)
    X = basis(sections, order, len(root))  # (T, n)
    Q, R = np.linalg.qr(root[:, None] * X)
    target = root * problem.k
    share = Q.T @ target
    residual = target - Q @ share
    return float(residual @ residual), residual, Q, X @ _coefficients(R, share)


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
        g.flat[:order] = np.tanh(x)
        return np.stack([g[:, 0] * (1 + g[:, 1]), g[:, 1]], axis=1), g

    def objective(x: Array) -> tuple[float, Array]:
        moved, g = denominators(x)
        error, residual, _, h = _project(problem, moved, order)
        slope = np.zeros(sections.size)
        slope[:order] = -2 * (root * residual) @ tangents(moved, order, h)
        by_d1, by_d2 = slope.reshape(-1, 2).T
        by_g = np.stack([by_d1 * (1 + g[:, 1]), by_d1 * g[:, 0] + by_d2], axis=1)
        # Relative to the error: descent stops where slopes are small in absolute terms.
        return float(np.log(error)), ((1 - g**2) * by_g).ravel()[:order] / error

    start = np.arctanh(np.clip(reflections(sections), -1 + MARGIN, 1 - MARGIN))
    _, x = minimise(objective, start.ravel()[:order], iterations=_POLISH)
    polished = inside(denominators(x)[0])
    better = _project(problem, polished, order)[0] < error
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
