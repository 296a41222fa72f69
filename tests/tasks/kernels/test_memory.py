"""Memory functions, their normalisation and the axis M99 against closed forms."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import zeta

from mfbench.tasks.kernels import (
    families,
    memory_function,
    memory_length,
    rho_for_memory_length,
    window_weights,
)


def test_the_families_are_registered() -> None:
    assert families() == (
        *("airy", "damped", "exponential", "impulse", "polynomial"),
        *("power_law", "sparse_signs", "two_bumps"),
    )


def test_window_weights_count_the_scored_steps_that_see_a_lag() -> None:
    length, scored_from = 12, 5
    counted = [np.mean([t >= lag for t in range(scored_from, length)]) for lag in range(length)]
    np.testing.assert_allclose(window_weights(length, scored_from), counted)


def test_weights_of_a_window_scored_everywhere_fall_linearly() -> None:
    np.testing.assert_allclose(window_weights(8, 0), (8 - np.arange(8)) / 8)


@pytest.mark.parametrize("scored_from", [-1, 8])
def test_window_weights_refuse_a_step_outside_the_sequence(scored_from: int) -> None:
    with pytest.raises(ValueError, match=r"must lie in 0\.\.7"):
        window_weights(8, scored_from)


def test_families_match_the_documented_formulas() -> None:
    s = np.arange(32.0)
    np.testing.assert_allclose(memory_function("exponential", 0.8, 32), 0.8**s)
    np.testing.assert_allclose(memory_function("polynomial", 1.5, 32), (s + 1) ** -1.5)
    np.testing.assert_array_equal(memory_function("impulse", 7, 32), (s == 7).astype(float))


def test_a_damped_oscillation_obeys_its_recurrence_of_two_states() -> None:
    k = memory_function("damped", 0.8, 32)
    np.testing.assert_allclose(k[2:], 2 * 0.8 * np.cos(np.pi / 4) * k[1:-1] - 0.8**2 * k[:-2])


def test_two_bumps_lie_at_their_lags_and_have_the_same_energy() -> None:
    k, s = memory_function("two_bumps", 20.5, 64), np.arange(64.0)
    np.testing.assert_allclose(k, np.exp(-((s - 1) ** 2) / 2) + np.exp(-((s - 20.5) ** 2) / 2))
    # sum_s exp(-(s - c)^2) is sqrt(pi) for every c, up to 2 exp(-pi^2) (Poisson summation).
    assert np.sum(k[10:] ** 2) == pytest.approx(np.sqrt(np.pi), rel=3e-4)


@pytest.mark.parametrize("m99", [8, 32])
def test_a_power_law_has_the_memory_length_of_its_closed_form(m99: int) -> None:
    # sum_{s >= m} (1 + s / tau)^(-2.2) = tau^2.2 zeta(2.2, tau + m)
    tau = rho_for_memory_length("power_law", m99, 8192, np.ones(8192))
    assert memory_function("power_law", tau, 2)[1] == pytest.approx((1 + 1 / tau) ** -1.1)
    assert zeta(2.2, tau + m99) / zeta(2.2, tau) == pytest.approx(0.01, rel=0.05)


def test_sparse_signs_are_the_same_few_lags_at_every_scale() -> None:
    large = memory_function("sparse_signs", 1000, 1001)
    lags = np.flatnonzero(large)
    assert len(lags) == 8
    assert lags[-1] == 1000
    np.testing.assert_array_equal(np.abs(large[lags]), 1.0)
    small = memory_function("sparse_signs", 100, 101)
    np.testing.assert_array_equal(np.flatnonzero(small), np.round(lags / 10))
    np.testing.assert_array_equal(small[small != 0], large[lags])


def test_airy_solves_airys_equation_and_peaks_before_the_turning_point() -> None:
    # Ai'' = z Ai with z = c (s - rho), by finite differences.
    from mfbench.tasks.kernels.airy import FAMILY

    rho, h = 20.0, 1e-3
    s = np.linspace(1, 40, 50)
    c = ((np.pi / 4) ** 2 / rho) ** (1 / 3)
    curvature = (
        FAMILY.function(rho, s + h) - 2 * FAMILY.function(rho, s) + FAMILY.function(rho, s - h)
    ) / h**2
    expected = c**2 * c * (s - rho) * FAMILY.function(rho, s)
    np.testing.assert_allclose(curvature, expected, atol=1e-6)
    assert 0 < np.argmax(FAMILY.function(rho, np.arange(64.0))) < rho


@pytest.mark.parametrize("rho", [8.0, 16.0, 40.0])
def test_airy_starts_at_the_same_frequency_for_every_rho(rho: float) -> None:
    # The local frequency of Ai(-z) is sqrt(z); at lag 0 that is c^1.5 sqrt(rho) = pi/4.
    c = ((np.pi / 4) ** 2 / rho) ** (1 / 3)
    assert c**1.5 * np.sqrt(rho) == pytest.approx(np.pi / 4)
    from mfbench.tasks.kernels.airy import FAMILY

    # The distance between the zeros around lag 0, half a period, is near pi / (pi/4) = 4 steps.
    s = np.linspace(-3, 6, 9001)
    zeros = s[:-1][np.diff(np.sign(FAMILY.function(rho, s))) != 0]
    assert np.diff(zeros)[0] == pytest.approx(4.0, rel=0.25)


@pytest.mark.parametrize("family", families())
def test_normalised_under_the_weights(family: str) -> None:
    weights = window_weights(64, 32)
    k = memory_function(family, rho_for_memory_length(family, 16, 64, weights), 64, weights)
    assert np.sum(weights * k**2) == pytest.approx(1.0, abs=1e-12)
    assert k.dtype == np.float64


@pytest.mark.parametrize(
    ("family", "rho", "message"),
    [
        ("exponential", 1.0, "strictly between 0 and 1"),
        ("exponential", 0.0, "strictly between 0 and 1"),
        ("polynomial", -0.5, "greater than 0"),
        ("impulse", 2.5, "whole number"),
        ("impulse", -1, "whole number"),
        ("impulse", 64, "outside the sequence"),
        ("airy", 0.0, "greater than 0"),
        ("airy", float("nan"), "greater than 0"),
        ("gauss", 1.0, "choose from airy, damped, exponential, impulse, polynomial"),
    ],
)
def test_impossible_requests_say_what_is_allowed(family: str, rho: float, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        memory_function(family, rho, 64)


def test_memory_length_is_the_smallest_window_with_99_percent() -> None:
    weights = window_weights(100, 0)
    k = memory_function("polynomial", 1.2, 100)
    m = memory_length(k, weights)
    energy = weights * k**2
    assert energy[:m].sum() >= 0.99 * energy.sum() > energy[: m - 1].sum()


def zip_levels(family: str, length: int, rhos: list[float], first: int, digits: int):
    """Cases for the memory lengths first, 2 first, 4 first, ..."""
    return [(family, length, first * 2**i, rho, digits) for i, rho in enumerate(rhos)]


# Computed independently, with window weights (T - s)/T, to the digits shown.
@pytest.mark.parametrize(
    ("family", "length", "m99", "rho", "digits"),
    [
        *zip_levels("polynomial", 128, [1.68, 1.36, 1.14, 0.96, 0.74], 4, 2),
        *zip_levels("polynomial", 256, [1.69, 1.37, 1.17, 1.02, 0.88, 0.69], 4, 2),
        *zip_levels("airy", 1024, [5.3, 12.8, 28.3, 59.9, 123.5], 8, 1),
    ],
)  # fmt: skip
def test_rho_for_memory_length_matches_independent_values(
    family: str, length: int, m99: int, rho: float, digits: int
) -> None:
    found = rho_for_memory_length(family, m99, length, window_weights(length, 0))
    assert round(found, digits) == pytest.approx(rho)


@pytest.mark.parametrize("m99", [4, 8, 16])
def test_closed_forms_of_an_infinite_window(m99: int) -> None:
    length = 4096
    weights = np.ones(length)
    assert rho_for_memory_length("exponential", m99, length, weights) == pytest.approx(
        10 ** (-1 / m99), abs=2e-6
    )
    assert rho_for_memory_length("impulse", m99, length, weights) == m99 - 1
    rho = rho_for_memory_length("polynomial", m99, length, weights)
    # The part of the infinite sum beyond the window is at most 1e-4 of the 1 % here.
    assert zeta(2 * rho, m99 + 1) / zeta(2 * rho) == pytest.approx(0.01, rel=0.05)


@settings(deadline=None, max_examples=150)
@given(
    family=st.sampled_from(families()),
    half=st.integers(8, 200),
    share=st.floats(0, 1),
    scored=st.floats(0, 1),
)
def test_rho_for_memory_length_inverts_memory_length(
    family: str, half: int, share: float, scored: float
) -> None:
    length = 2 * half
    weights = window_weights(length, min(int(scored * length), length - 1))
    m99 = 4 + int(share * (half - 4))
    rho = rho_for_memory_length(family, m99, length, weights)
    assert memory_length(memory_function(family, rho, length, weights), weights) == m99
    assert float(f"{rho:.6g}") == rho  # fits into a file name


def test_unreachable_memory_length_names_the_range() -> None:
    with pytest.raises(ValueError, match=r"must lie in 1\.\.32"):
        rho_for_memory_length("impulse", 40, 32, window_weights(32, 0))
    # The last lags have weights near 1/T, so that the longest memory lengths are impossible.
    with pytest.raises(ValueError, match="its memory lengths lie in"):
        rho_for_memory_length("polynomial", 31, 32, window_weights(32, 0))
