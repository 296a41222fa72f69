from __future__ import annotations

import functools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import hankel
from scipy.optimize import approx_fprime

from mfbench.floors.lower import (
    certified,
    certified_diagonal,
    diagonal_objective,
    lower_bound,
    objective,
)
from mfbench.floors.upper import upper_bound
from mfbench.tasks.kernels.memory import memory_function, window_weights

T = 32
W = (T - np.arange(T)) / T
KERNELS = [
    ("exponential", 0.9),
    ("polynomial", 0.8),
    ("impulse", 7),
    ("impulse", 20),
    ("airy", 6.0),
    ("airy", 12.0),
]


@functools.cache
def bound(family: str, rho: float, order: int) -> float:
    return lower_bound(memory_function(family, rho, T, W), W, order)


@settings(max_examples=200, deadline=None)
@given(
    kernel=st.sampled_from(KERNELS),
    pairs=st.lists(st.tuples(st.floats(0.0, 0.9999), st.floats(0.0, np.pi)), max_size=2),
    real=st.lists(st.floats(-0.9999, 0.9999), max_size=2),
)
def test_no_stable_system_beats_the_bound(
    kernel: tuple[str, float], pairs: list[tuple[float, float]], real: list[float]
) -> None:
    """The poles are random, with the best coefficients for them."""
    order = 2 * len(pairs) + len(real)
    k = memory_function(*kernel, T, W)
    s = np.arange(T)
    columns = [r**s * np.cos(a * s) for r, a in pairs] + [r**s * np.sin(a * s) for r, a in pairs]
    X = np.stack([*columns, *(p**s for p in real), np.zeros(T)], 1)
    root = np.sqrt(W)
    h = X @ np.linalg.lstsq(root[:, None] * X, root * k, rcond=None)[0]
    assert np.sum(W * (k - h) ** 2) >= bound(*kernel, order) - 1e-12


@pytest.mark.parametrize(("length", "lag"), [(40, 9), (40, 33), (64, 20), (33, 16), (20, 0)])
def test_impulse_matches_the_closed_form(length: int, lag: int) -> None:
    """1 - n / min(L + 1, T - L), for any weights."""
    k = np.eye(length)[lag]
    states = min(lag + 1, length - lag)
    for weights in (np.ones(length), (length - np.arange(length)) / length):
        for order in {1, 2, states // 2, states - 1, states, states + 1}:
            want = max(0.0, 1 - order / states)
            assert lower_bound(k, weights, order) == pytest.approx(want, abs=1e-8)


def test_exponential_needs_one_state_only() -> None:
    k = memory_function("exponential", 0.95, T, W)
    assert lower_bound(k, W, 0) == pytest.approx(1)
    assert lower_bound(k, W, 1) == 0.0


def test_certified_matches_the_quadratic_form_written_out() -> None:
    rng = np.random.default_rng(0)
    length, p, q, r, order = 12, 5, 7, 3, 1
    k, w = rng.standard_normal(length), rng.uniform(0.2, 1, length)
    U, V = rng.standard_normal((p, r)), rng.standard_normal((q, r))
    M = np.zeros((p + q - 1, p + q - 1))
    for i in range(p):
        for j in range(q):
            for i2 in range(p):
                for j2 in range(q):
                    M[i + j, i2 + j2] += (U @ U.T)[i, i2] * (V @ V.T)[j, j2]
    root = 1 / np.sqrt(w[: p + q - 1])
    largest = np.linalg.eigvalsh(root[:, None] * M * root)[-1]
    e = rng.standard_normal(p + q - 1)
    H = hankel(e[:p], e[p - 1 :])
    assert np.sum((U.T @ H @ V) ** 2) == pytest.approx(e @ M @ e)
    s = np.linalg.svd(U.T @ hankel(k[:p], k[p - 1 : p + q - 1]) @ V, compute_uv=False)
    want = np.sum(s[order:] ** 2) / largest
    assert certified(k, w, order, U, V) == pytest.approx(want, rel=1e-9)
    a, b = rng.uniform(0, 1, p), rng.uniform(0, 1, q)
    diagonal = certified_diagonal(k, w, order, a, b)
    full = certified(k, w, order, np.diag(np.sqrt(a)), np.diag(np.sqrt(b)))
    assert diagonal == pytest.approx(full, rel=1e-9)


def test_rounding_never_raises_the_bound() -> None:
    """A sum of two exponentials has order two, so a bound above 0 would be rounding."""
    rng = np.random.default_rng(2)
    s = np.arange(T)
    k = 0.9**s + 0.5 * 0.8**s
    for p in (9, 16, 24):
        q = T + 1 - p
        assert certified(k, W, 2, rng.standard_normal((p, 6)), rng.standard_normal((q, 6))) == 0
        assert certified_diagonal(k, W, 2, rng.uniform(0, 1, p), rng.uniform(0, 1, q)) == 0


@settings(max_examples=30, deadline=None)
@given(
    length=st.integers(2, 13),
    order=st.integers(1, 13),
    feedthrough=st.booleans(),
    seed=st.integers(0, 2**16),
)
def test_any_weights_and_any_order(length: int, order: int, feedthrough: bool, seed: int) -> None:
    """Weights that rise or jump, odd and even lengths, orders near the size of the matrices."""
    rng = np.random.default_rng(seed)
    k, w = rng.standard_normal(length), rng.uniform(0.01, 1, length)
    lower = lower_bound(k, w, order, feedthrough=feedthrough)
    assert lower <= upper_bound(k, w, order, feedthrough=feedthrough).error + 1e-14
    if order >= (length + 1 - feedthrough) // 2:  # some recurrence, stable or not, fits all lags
        assert lower == 0


def test_gradients_of_the_ascent_match_finite_differences() -> None:
    rng = np.random.default_rng(1)
    length, p, q, rank, order = 16, 7, 10, 4, 2
    k, w = rng.standard_normal(length), rng.uniform(0.2, 1, length)
    x = rng.standard_normal(p + q)
    args = {"rows": p, "sharpness": 5.0}
    got = diagonal_objective(k, w, order, x, **args)[1]
    want = approx_fprime(x, lambda x: diagonal_objective(k, w, order, x, **args)[0], 1e-7)
    np.testing.assert_allclose(got, want, atol=1e-5)
    x = rng.standard_normal((p + q) * rank)
    args = {"rows": p, "rank": rank, "sharpness": 5.0}
    got = objective(k, w, order, x, **args)[1]
    want = approx_fprime(x, lambda x: objective(k, w, order, x, **args)[0], 1e-7)
    np.testing.assert_allclose(got, want, atol=1e-5)


@pytest.mark.parametrize(("family", "rho"), KERNELS)
def test_the_bound_falls_with_the_order_below_the_upper_bound(family: str, rho: float) -> None:
    k = memory_function(family, rho, T, W)
    bounds = [bound(family, rho, n) for n in range(7)]
    assert np.all(np.diff(bounds) <= 1e-12)
    for order, value in enumerate(bounds):
        assert value <= upper_bound(k, W, order).error + 1e-13


def test_scaling_the_kernel_changes_nothing() -> None:
    k = memory_function("airy", 12.0, T, W)
    for factor in (1e-8, -3.7e10):
        assert lower_bound(factor * k, W, 3) == pytest.approx(bound("airy", 12.0, 3), rel=1e-9)


def test_feedthrough_gives_the_bound_of_the_lags_after_the_first() -> None:
    assert lower_bound(np.array([1.0]), np.array([1.0]), 1, feedthrough=True) == 0.0
    k = memory_function("polynomial", 0.8, T, W)
    rest = np.sum((W * k**2)[1:])
    want = rest * lower_bound(k[1:], W[1:], 2)
    # Two separate searches.
    assert lower_bound(k, W, 2, feedthrough=True) == pytest.approx(want, rel=0.01)


def test_the_bound_is_at_least_as_tight_as_an_independent_prototype() -> None:
    """Lower bounds of a prototype by other authors, T = 256."""
    length = 256
    w = window_weights(length, 0)
    table = {
        ("polynomial", 1.5): {2: 8.6e-4},
        ("airy", 16.0): {4: 0.0069},
    }
    for (family, rho), values in table.items():
        k = memory_function(family, rho, length, w)
        for order, value in values.items():
            assert lower_bound(k, w, order) > value


def test_a_nearly_diagonal_matrix_does_not_stop_the_search() -> None:
    """LAPACK's search for the largest eigenvalue alone fails here with an internal error."""
    weights = window_weights(41, 0)
    k = memory_function("impulse", 25, 41, weights)
    bound = lower_bound(k, weights, 8, feedthrough=True)
    assert bound == pytest.approx(1 - 8 / 16, abs=1e-8)


def test_the_gap_between_both_bounds_is_small() -> None:
    """The median and 90th percentile of their ratio, over three families."""
    ratios = []
    for family, rho in (("polynomial", 0.8), ("airy", 6.0), ("airy", 12.0), ("impulse", 7)):
        k = memory_function(family, rho, T, W)
        for order in (1, 2, 4):
            upper = upper_bound(k, W, order).error
            if upper > 1e-9:
                ratios.append(upper / bound(family, rho, order))
    assert len(ratios) > 8
    assert np.median(ratios) < 1.25
    assert np.quantile(ratios, 0.9) < 2
