from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize_scalar

from mfbench.floors.finite import fir_floor
from mfbench.floors.upper import improve, upper_bound
from mfbench.tasks.kernels.memory import memory_function, window_weights

T = 48
W = (T - np.arange(T)) / T


def best_single_pole(k: np.ndarray, w: np.ndarray) -> float:
    """The error of order 1 by scanning every pole."""

    def error(p: float) -> float:
        phi = p ** np.arange(len(k))
        c = np.sum(w * k * phi) / np.sum(w * phi**2)
        return float(np.sum(w * (k - c * phi) ** 2) / np.sum(w * k**2))

    grid = np.linspace(-0.9999, 0.9999, 4001)
    at = grid[np.argmin([error(p) for p in grid])]
    return float(
        minimize_scalar(error, bounds=(at - 1e-3, min(at + 1e-3, 1)), method="bounded").fun
    )


def best_two_poles(k: np.ndarray, w: np.ndarray) -> float:
    """The error of order 2 by scanning pairs, conjugate and real."""
    s = np.arange(len(k))
    root, best = np.sqrt(w), np.inf
    conjugate = [
        r * np.exp(1j * a) for r in np.linspace(0.3, 0.999, 50) for a in np.linspace(0.01, 3.1, 100)
    ]
    real = [(p, q) for p in np.linspace(-0.99, 0.99, 40) for q in np.linspace(-0.985, 0.985, 40)]
    bases = [np.stack([(z**s).real, (z**s).imag], 1) for z in conjugate]
    bases += [np.stack([p**s, q**s], 1) for p, q in real]
    for X in bases:
        Q, _ = np.linalg.qr(root[:, None] * X)
        best = min(best, float(np.sum(w * k**2) - np.sum((Q.T @ (root * k)) ** 2)))
    return best / float(np.sum(w * k**2))


@pytest.mark.parametrize(
    ("family", "rho"), [("polynomial", 1.2), ("airy", 12.0), ("impulse", 5), ("exponential", 0.8)]
)
def test_no_scan_finds_a_better_system(family: str, rho: float) -> None:
    k = memory_function(family, rho, T, W)
    assert upper_bound(k, W, 1).error == pytest.approx(best_single_pole(k, W), abs=1e-7)
    two, scan = upper_bound(k, W, 2).error, best_two_poles(k, W)
    assert two <= scan + 1e-12
    assert two >= 0.8 * scan - 1e-3  # the scan is coarse, but not that coarse


@pytest.mark.parametrize("lag", [1, 9])
def test_impulse_with_one_state_matches_the_closed_form(lag: int) -> None:
    length = 40 * (lag + 1)
    k = np.eye(length)[lag]
    want = 1 - (lag / (lag + 1)) ** lag / (lag + 1)
    system = upper_bound(k, np.ones(length), 1)
    assert system.error == pytest.approx(want, abs=1e-8)
    assert system.poles[0] == pytest.approx(np.sqrt(lag / (lag + 1)), abs=1e-4)


def test_impulse_costs_one_state_more_than_its_lag() -> None:
    for lag in (0, 3, 8):
        k = memory_function("impulse", lag, T, W)
        assert upper_bound(k, W, lag + 1).error < 1e-14
        assert upper_bound(k, W, max(lag, 1), feedthrough=True).error < 1e-14
        if lag:
            assert upper_bound(k, W, lag).error > 0.01


def test_the_attributes_of_a_system_are_consistent() -> None:
    k = 3.7 * memory_function("airy", 12.0, T, W)
    for order, feedthrough in ((1, False), (5, False), (6, True)):
        system = upper_bound(k, W, order, feedthrough=feedthrough)
        assert system.order == order == len(system.coefficients)
        h, state = [] if system.D is None else [system.D], system.B
        while len(h) < T:
            h.append(system.coefficients @ state)
            state = system.A @ state
        np.testing.assert_allclose(system.impulse_response, h, atol=1e-10)
        want = np.sum(W * (k - h) ** 2) / np.sum(W * k**2)
        assert system.error == pytest.approx(want, rel=1e-9)
        assert np.all(np.abs(system.poles) < 1)
        eigenvalues = np.sort_complex(np.linalg.eigvals(system.A))
        np.testing.assert_allclose(eigenvalues, np.sort_complex(system.poles), atol=1e-6)


def test_feedthrough_frees_lag_zero_and_is_no_worse() -> None:
    k = memory_function("polynomial", 1.0, T, W)
    for order in (1, 2, 3):
        with_path = upper_bound(k, W, order, feedthrough=True)
        assert with_path.impulse_response[0] == k[0]
        assert with_path.error <= upper_bound(k, W, order).error
    assert upper_bound(k, W, 0).error == pytest.approx(1)
    assert upper_bound(k, W, 0, feedthrough=True).error == pytest.approx(fir_floor(k, W, 1))


def test_scaling_the_kernel_changes_nothing_but_the_response() -> None:
    k = memory_function("airy", 20.0, T, W)
    one, other = upper_bound(k, W, 4), upper_bound(2.0**-30 * k, W, 4)
    assert other.error == one.error
    np.testing.assert_array_equal(other.impulse_response, 2.0**-30 * one.impulse_response)
    assert upper_bound(1e5 * k, W, 4).error == pytest.approx(one.error, rel=1e-6)


def test_more_states_are_never_worse_than_a_shift_register() -> None:
    for family, rho in (("impulse", 20), ("airy", 30.0)):
        k = memory_function(family, rho, T, W)
        for order in (1, 8, 24, 50):
            assert upper_bound(k, W, order).error <= fir_floor(k, W, order) + 1e-13


def test_improve_starts_from_a_smaller_system_and_never_loses() -> None:
    k = memory_function("airy", 20.0, T, W)
    small = upper_bound(k, W, 3)
    for order in (3, 4, 7):
        assert improve(k, W, small, order=order).error <= small.error * (1 + 1e-9)


def test_bounds_match_an_independent_prototype() -> None:
    """Upper bounds of a prototype by other authors, T = 256, to the digits that it printed."""
    length = 256
    w = window_weights(length, 0)
    table = {
        ("polynomial", 0.75): {1: 0.139, 2: 0.0120, 4: 3.2e-5},
        ("airy", 16.0): {1: 0.857, 2: 0.532, 4: 0.0119},
        ("airy", 64.0): {8: 0.307},
        ("impulse", 16): {4: 0.842},
    }
    for (family, rho), values in table.items():
        k = memory_function(family, rho, length, w)
        for order, value in values.items():
            found = upper_bound(k, w, order).error
            assert found == pytest.approx(value, rel=0.02), (family, rho, order)


@pytest.mark.parametrize(
    ("k", "weights", "order", "message"),
    [
        ([1.0, 0.5], [1.0], 1, "same length"),
        ([1.0, np.nan], [1.0, 1.0], 1, "finite"),
        ([1.0, 0.5], [1.0, 1.0], -1, "order = -1"),
        ([0.0, 0.0], [1.0, 1.0], 1, "without energy"),
        ([1.0, 0.5, 0.2], [1.0, 0.0, 1.0], 1, "positive"),
        ([1.0, 0.5], [0.0, 0.0], 1, "positive"),
    ],
)
def test_bad_input_is_named(k: list, weights: list, order: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        upper_bound(np.array(k), np.array(weights), order)


def test_lags_without_weight_do_not_count() -> None:
    k = np.array([1.0, 0.5, 0.25, 7.0])
    system = upper_bound(k, np.array([1.0, 1.0, 1.0, 0.0]), 1)
    assert system.error < 1e-14
    assert len(system.impulse_response) == 4


@pytest.mark.parametrize(("orders", "feedthrough"), [((17, 18), False), ((13, 14), True)])
def test_poles_on_the_circle_do_no_harm(orders: tuple[int, int], feedthrough: bool) -> None:
    """An impulse late in the window needs undamped modes, whose states hardly change in it."""
    w = window_weights(41, 0)
    k = memory_function("impulse", 25, 41, w)
    few, more = (upper_bound(k, w, n, feedthrough=feedthrough).error for n in orders)
    assert more <= few
