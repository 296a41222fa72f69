from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import approx_fprime

from mfbench.floors.lower import lower_bound
from mfbench.floors.stable import penalised_fit, stable_floors
from mfbench.floors.upper import upper_bound
from mfbench.tasks.kernels.memory import memory_function, window_weights

T = 48
W = window_weights(T, 24)


def stable_floor(
    k: np.ndarray, w: np.ndarray, order: int, *, poles: str, delta: float = 0.01
) -> float:
    """The floor of a single order."""
    floors = stable_floors(k, w, [upper_bound(k, w, order)], delta=delta)
    return float(floors[0, ["real", "complex"].index(poles)])


def test_an_exponential_costs_only_its_disturbance() -> None:
    """min_c (1 - c)^2 + delta^2 c^2 = delta^2 / (1 + delta^2)."""
    k = memory_function("exponential", 0.8, T, W)
    for delta in (0.3, 0.01):
        want = delta**2 / (1 + delta**2)
        assert stable_floor(k, W, 1, poles="real", delta=delta) == pytest.approx(want, rel=1e-6)


@pytest.mark.parametrize("order", [1, 2, 4])
@pytest.mark.parametrize("poles", ["real", "complex"])
def test_terms_that_share_an_exponential_share_its_disturbance(order: int, poles: str) -> None:
    """delta^2 / (n + delta^2), attained by n equal terms."""
    k = memory_function("exponential", 0.8, T, W)
    want = 0.1**2 / (order + 0.1**2)
    assert stable_floor(k, W, order, poles=poles, delta=0.1) == pytest.approx(want, rel=1e-4)


@pytest.mark.parametrize("delta", [0.1, 5e-5])  # by normal equations, and by QR
def test_value_and_gradient_match_the_definition_with_complex_numbers(delta: float) -> None:
    rng = np.random.default_rng(0)
    k = memory_function("airy", 8.0, T, W)
    x = np.concatenate([np.log(rng.uniform(0.02, 0.5, 5)), rng.uniform(0.2, 2, 2)])

    def value(x: np.ndarray) -> float:
        return float(penalised_fit(k, W, x[None], pairs=2, delta=delta)[0][0])

    rate, angle = np.exp(x[:5]), x[5:]
    p = np.exp(-rate[:2] + 1j * angle)
    poles = np.concatenate([p, p.conj(), np.exp(-rate[2:])])
    phi = poles ** np.arange(T)[:, None]  # (T, 7) complex
    ridge = delta * np.diag(np.sqrt(W @ np.abs(phi) ** 2))
    matrix = np.concatenate([np.sqrt(W)[:, None] * phi, ridge])
    target = np.append(np.sqrt(W) * k, np.zeros(7))
    c = np.linalg.lstsq(matrix, target, rcond=None)[0]
    assert value(x) == pytest.approx(np.sum(np.abs(target - matrix @ c) ** 2), rel=1e-8)
    _, slopes = penalised_fit(k, W, x[None], pairs=2, delta=delta)
    differences = approx_fprime(x, value, 1e-6)
    np.testing.assert_allclose(2 * slopes(np.array([0]))[1][0], differences, atol=1e-5)


def test_curvature_matches_the_projected_residual() -> None:
    """J' J of variable projection, by finite differences and an orthonormal basis."""
    rng = np.random.default_rng(1)
    k = memory_function("airy", 8.0, T, W)
    x = np.concatenate([np.log(rng.uniform(0.02, 0.5, (2, 4))), rng.uniform(0.2, 2, (2, 1))], 1)
    _, slopes = penalised_fit(k, W, x, pairs=1, delta=0.1)
    G, _ = slopes(np.array([1]))

    def matrix(x: np.ndarray) -> np.ndarray:
        s, rate = np.arange(T)[:, None], np.exp(x[:4])
        phi = np.exp(-s * rate) * np.cos(s * np.append(x[4], [0, 0, 0]))
        phi = np.append(phi, np.exp(-s * rate[:1]) * np.sin(s * x[4]), axis=1)
        norm = np.sqrt([0.5, 1, 1, 1, 0.5] * (W @ np.exp(-s * rate[[0, 1, 2, 3, 0]]) ** 2))
        return np.concatenate([np.sqrt(W)[:, None] * phi / norm, 0.1 * np.eye(5)])

    M = matrix(x[1])
    c = np.linalg.lstsq(M, np.append(np.sqrt(W) * k, np.zeros(5)), rcond=None)[0]
    steps = 1e-6 * np.eye(5)
    J = np.stack([(matrix(x[1] + h) - matrix(x[1] - h)) @ c / 2e-6 for h in steps], axis=1)
    Q, _ = np.linalg.qr(M)
    J = J - Q @ (Q.T @ J)
    np.testing.assert_allclose(G[0], J.T @ J, atol=1e-8)


@pytest.mark.parametrize(("family", "rho"), [("polynomial", 0.8), ("airy", 4.0), ("impulse", 3)])
def test_no_scan_finds_better_terms(family: str, rho: float) -> None:
    """Scans two real poles, and one pair, over a grid."""
    k = memory_function(family, rho, T, W)
    rates = np.log(np.geomspace(1e-4, 10, 120))
    real = np.array([(a, b) for a in rates for b in rates if a <= b])
    pair = np.array([(a, b) for a in rates for b in np.linspace(0, np.pi, 120)])
    scans = [
        penalised_fit(k, W, x, pairs=pairs, delta=0.01)[0].min()
        for pairs, x in ((0, real), (1, pair))
    ]
    found = stable_floor(k, W, 2, poles="real"), stable_floor(k, W, 2, poles="complex")
    for floor, scan in zip(found, np.minimum.accumulate(scans), strict=True):
        assert 0.9 * scan - 1e-5 <= floor <= scan + 1e-12


def test_floors_of_many_orders_are_no_worse_than_each_alone() -> None:
    k = memory_function("airy", 8.0, T, W)
    systems = [upper_bound(k, W, n) for n in (1, 2, 5)]
    table = stable_floors(k, W, systems, delta=0.01)
    for row, system in zip(table, systems, strict=True):
        for value, poles in zip(row, ("real", "complex"), strict=True):
            assert value <= stable_floor(k, W, system.order, poles=poles) * (1 + 1e-9)


def test_pure_decay_cannot_oscillate_but_pairs_can() -> None:
    k = memory_function("airy", 16.0, T, W)
    real, both = (stable_floor(k, W, 8, poles=poles) for poles in ("real", "complex"))
    assert real > 0.2
    assert both < 0.002
    # With almost no penalty on cancellation, eight real poles do much better.
    assert stable_floor(k, W, 8, poles="real", delta=1e-5) < 0.5 * real


def test_the_floor_approaches_the_best_system_for_small_delta() -> None:
    k = memory_function("impulse", 10, T, W)
    floor = stable_floor(k, W, 4, poles="complex", delta=1e-6)
    assert floor == pytest.approx(upper_bound(k, W, 4).error, rel=1e-3)


def test_the_floor_lies_between_the_lower_bound_and_one() -> None:
    for family, rho in (("impulse", 20), ("polynomial", 0.8)):
        k = memory_function(family, rho, T, W)
        for order in (0, 1, 3):
            for poles in ("real", "complex"):
                value = stable_floor(k, W, order, poles=poles)
                assert lower_bound(k, W, order) <= value <= 1 + 1e-12


def test_bad_input_is_named() -> None:
    k = memory_function("impulse", 3, T, W)
    with pytest.raises(ValueError, match="delta = 0"):
        stable_floor(k, W, 2, poles="real", delta=0.0)
