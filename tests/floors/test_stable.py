from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.optimize import approx_fprime

from mfbench.floors.lower import lower_bound
from mfbench.floors.stable import penalised_error, stable_floor
from mfbench.floors.upper import upper_bound
from mfbench.kernels.memory import memory_function, window_weights

T = 64
W = window_weights(T, 32)


def test_exponential_pays_for_its_disturbance_only() -> None:
    """min_c (1 - c)^2 + delta^2 c^2 = delta^2 / (1 + delta^2)."""
    k = memory_function("exponential", 0.8, T, W)
    for delta in (0.3, 0.01):
        want = delta**2 / (1 + delta**2)
        assert stable_floor(k, W, 1, poles="real", delta=delta) == pytest.approx(want, rel=1e-6)


@pytest.mark.parametrize("order", [1, 2, 4])
@pytest.mark.parametrize("poles", ["real", "complex"])
def test_terms_that_share_an_exponential_share_its_disturbance(order: int, poles: Any) -> None:
    """delta^2 / (n + delta^2), attained by n equal terms: no more than one state's, over n."""
    k = memory_function("exponential", 0.8, T, W)
    want = 0.1**2 / (order + 0.1**2)
    assert stable_floor(k, W, order, poles=poles, delta=0.1) == pytest.approx(want, rel=1e-4)


def test_value_and_slope_are_the_definition_with_complex_numbers() -> None:
    rng = np.random.default_rng(0)
    k = memory_function("airy", 8.0, T, W)
    x = np.concatenate([np.log(rng.uniform(0.02, 0.5, 5)), rng.uniform(0.2, 2, 2)])
    value, slope = penalised_error(k, W, x, pairs=2, delta=0.1)
    rate, angle = np.exp(x[:5]), x[5:]
    p = np.exp(-rate[:2] + 1j * angle)
    poles = np.concatenate([p, p.conj(), np.exp(-rate[2:])])
    phi = poles ** np.arange(T)[:, None]  # (T, 7) complex
    ridge = 0.1**2 * np.diag(W @ np.abs(phi) ** 2)
    c = np.linalg.solve(phi.conj().T @ (W[:, None] * phi) + ridge, phi.conj().T @ (W * k))
    want = np.sum(W * np.abs(k - phi @ c) ** 2) + (c.conj() @ ridge @ c).real
    assert value == pytest.approx(want, rel=1e-8)
    differences = approx_fprime(x, lambda x: penalised_error(k, W, x, pairs=2, delta=0.1)[0], 1e-6)
    np.testing.assert_allclose(slope, differences, atol=1e-5)


def test_pure_decay_cannot_oscillate_and_pairs_can() -> None:
    k = memory_function("airy", 16.0, T, W)
    real, both = (stable_floor(k, W, 8, poles=poles) for poles in ("real", "complex"))
    assert real > 0.2
    assert both < 0.002
    # Without the price of cancellation eight real poles would do much better.
    assert stable_floor(k, W, 8, poles="real", delta=1e-5) < 0.5 * real


def test_it_tends_to_the_best_system_where_terms_need_not_cancel() -> None:
    k = memory_function("impulse", 10, T, W)
    floor = stable_floor(k, W, 4, poles="complex", delta=1e-6)
    assert floor == pytest.approx(upper_bound(k, W, 4).error, rel=1e-3)


def test_it_lies_above_the_lower_bound_and_below_one() -> None:
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
    with pytest.raises(ValueError, match="'imaginary'"):
        stable_floor(k, W, 2, poles="imaginary")  # type: ignore[arg-type]
