from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import optimize

from mfbench.floors.descent import least_squares, minimise


def rosenbrock(x: np.ndarray) -> np.ndarray:
    """Residuals (..., 3) at points (..., 2); the lowest error is 1/4."""
    a, b = x[..., 0], x[..., 1]
    return np.stack([10 * (b - a**2), 1 - a, np.full_like(a, 0.5)], axis=-1)


def fit(x: np.ndarray) -> Any:
    def slopes(at: np.ndarray) -> Any:
        a = x[at, 0]
        J = np.zeros((len(at), 3, 2))
        J[:, 0, 0], J[:, 0, 1], J[:, 1, 0] = -20 * a, 10, -1
        return J.swapaxes(1, 2) @ J, (rosenbrock(x[at])[:, None] @ J)[:, 0]

    return np.sum(rosenbrock(x) ** 2, axis=-1), slopes


STARTS = np.array([[-1.2, 1.0], [3.0, -2.0], [0.9, 0.9]])


def test_every_start_reaches_the_minimum_that_scipy_finds() -> None:
    error, x = least_squares(fit, STARTS, iterations=100, enough=0.0)
    for i, start in enumerate(STARTS):
        want = optimize.least_squares(rosenbrock, start)
        assert error[i] == pytest.approx(2 * want.cost, rel=1e-9)
        np.testing.assert_allclose(x[i], want.x, atol=1e-5)


def test_starts_do_not_depend_on_each_other() -> None:
    error, x = least_squares(fit, STARTS, iterations=5, enough=0.0)
    for i, start in enumerate(STARTS):
        alone, at = least_squares(fit, start[None], iterations=5, enough=0.0)
        assert alone[0] == pytest.approx(error[i], rel=1e-12)
        np.testing.assert_allclose(at[0], x[i], rtol=1e-12)


def test_all_points_stop_once_one_is_good_enough() -> None:
    error, x = least_squares(fit, STARTS, iterations=100, enough=0.3)
    assert error.min() < 0.3 < error.max()
    error, x = least_squares(fit, STARTS, iterations=100, enough=1e3)
    np.testing.assert_array_equal(x, STARTS)


def test_steps_stay_in_the_allowed_region() -> None:
    def below(x: np.ndarray, at: np.ndarray) -> Any:
        return np.minimum(x, 0.8), np.all(x <= 0.8, axis=1) | (at == 0)

    start = np.array([[0.5, 0.5], [0.5, 0.5]])
    error, x = least_squares(fit, start, iterations=100, enough=0.0, confine=below)
    assert np.all(x <= 0.8)
    assert np.all(error < np.sum(rosenbrock(start) ** 2, axis=-1))
    assert error[0] <= error[1]  # the first may be moved back, so it slides along the wall


def test_minimise_finds_the_lowest_value_and_its_point() -> None:
    def objective(x: np.ndarray) -> tuple[float, np.ndarray]:
        error, slopes = fit(x[None])
        return float(error[0]), 2 * slopes(np.array([0]))[1][0]

    least, x = minimise(objective, STARTS[0], iterations=200)
    assert least == pytest.approx(0.25, abs=1e-8)
    np.testing.assert_allclose(x, [1, 1], atol=1e-3)
