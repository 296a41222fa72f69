from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mfbench.floors.cascade import (
    basis,
    inside,
    poles_of,
    sections_of,
    state_space,
    tangents,
)

POLES = {
    "one": [0.7],
    "negative": [-0.7],
    "pair": [0.5 + 0.6j, 0.5 - 0.6j],
    "pair and real": [0.5 + 0.6j, 0.5 - 0.6j, -0.4],
    "double": [0.8, 0.8, 0.8],
    "shift register": [0.0, 0.0, 0.0, 0.0],
    "many": [0.99, -0.3, 0.2, 0.9 + 0.3j, 0.9 - 0.3j, 0.1 + 0.8j, 0.1 - 0.8j],
}


@pytest.mark.parametrize("poles", POLES.values(), ids=POLES)
def test_states_are_orthonormal_have_the_poles_and_step_as_the_basis(poles: list[complex]) -> None:
    n = len(poles)
    sections = sections_of(np.array(poles))
    A, B = state_space(sections, n)
    np.testing.assert_allclose(A @ A.T + np.outer(B, B), np.eye(n), atol=1e-12)
    tolerance = 1e-4 if len(set(poles)) < n else 1e-9  # multiple eigenvalues are sensitive
    want = np.sort_complex(np.array(poles, dtype=complex))
    np.testing.assert_allclose(np.sort_complex(np.linalg.eigvals(A)), want, atol=tolerance)
    np.testing.assert_allclose(np.sort_complex(poles_of(sections, n)), want, atol=1e-7)
    rows, state = [], B
    for _ in range(37):
        rows.append(state)
        state = A @ state
    np.testing.assert_allclose(basis(sections, n, 37), rows, atol=1e-12)


def test_basis_spans_the_powers_of_the_poles() -> None:
    poles = np.array([0.9, -0.5, 0.3 + 0.4j, 0.3 - 0.4j])
    X = basis(sections_of(poles), 4, 50)
    powers = np.real([0.9 ** np.arange(50), (0.3 + 0.4j) ** np.arange(50)]).T
    inside_span = X @ np.linalg.lstsq(X, powers, rcond=None)[0]
    np.testing.assert_allclose(inside_span, powers, atol=1e-12)


@pytest.mark.parametrize("poles", POLES.values(), ids=POLES)
def test_tangents_match_finite_differences_at_a_fixed_numerator(poles: list[complex]) -> None:
    from scipy.signal import lfilter

    n, T = len(poles), 30
    sections = sections_of(np.array(poles))
    rng = np.random.default_rng(0)
    numerator = rng.standard_normal(n)

    def response(flat: np.ndarray) -> np.ndarray:
        denominator = np.ones(1)
        for d1, d2 in flat.reshape(-1, 2):
            denominator = np.convolve(denominator, [1.0, d1, d2])
        return np.asarray(lfilter(numerator, denominator, np.eye(1, T)[0]))

    flat = sections.ravel()
    got = tangents(sections, n, response(flat))
    for j in range(n):
        step = np.eye(len(flat))[j] * 1e-6
        want = (response(flat + step) - response(flat - step)) / 2e-6
        np.testing.assert_allclose(got[:, j], want, atol=1e-6)


@pytest.mark.parametrize("order", [1, 4, 5])
def test_many_cascades_at_once_equal_each_alone(order: int) -> None:
    rng = np.random.default_rng(0)
    g = rng.uniform(-0.99, 0.99, (3, (order + 1) // 2, 2))
    g[..., -1, 1] *= order % 2 == 0
    many = np.stack([g[..., 0] * (1 + g[..., 1]), g[..., 1]], axis=-1)
    h = rng.standard_normal((3, 21))
    X, J, moved = basis(many, order, 21), tangents(many, order, h), inside(1.5 * many)
    for i, sections in enumerate(many):
        np.testing.assert_allclose(X[i], basis(sections, order, 21), atol=1e-14)
        np.testing.assert_allclose(J[i], tangents(sections, order, h[i]), atol=1e-12)
        np.testing.assert_array_equal(moved[i], inside(1.5 * sections))


@given(st.lists(st.tuples(st.floats(-3, 3), st.floats(-2, 2)), min_size=1, max_size=4))
def test_inside_moves_every_pole_into_the_circle(pairs: list[tuple[float, float]]) -> None:
    sections = np.array(pairs)
    moved = inside(sections)
    # The coefficients fix a double pole to the square root of the machine precision only.
    assert np.all(np.abs(poles_of(moved, 2 * len(pairs))) < 1 + 1e-7)
    kept = np.all(np.abs(poles_of(sections, 2 * len(pairs))).reshape(-1, 2) < 1 - 1e-8, axis=1)
    np.testing.assert_array_equal(moved[kept], sections[kept])


def test_poles_without_their_conjugate_are_refused() -> None:
    with pytest.raises(ValueError, match="conjugate"):
        sections_of(np.array([0.5 + 0.1j]))
