from __future__ import annotations

import numpy as np
import pytest

from mfbench.floors.finite import fir_floor
from mfbench.tasks.kernels.memory import memory_function, memory_length, window_weights

T = 64
W = window_weights(T, 32)


def test_the_floor_is_the_energy_beyond_the_width() -> None:
    k = memory_function("exponential", 0.9, T, W)
    assert fir_floor(k, W, 0) == pytest.approx(1)
    assert fir_floor(k, W, T) == 0.0
    assert fir_floor(k, W, 5) == pytest.approx(np.sum(W[5:] * k[5:] ** 2))
    assert fir_floor(7 * k, W, 5) == pytest.approx(fir_floor(k, W, 5))


def test_the_floor_falls_to_one_percent_at_the_memory_length() -> None:
    k = memory_function("airy", 20.0, T, W)
    m = memory_length(k, W)
    assert fir_floor(k, W, m) <= 0.01 < fir_floor(k, W, m - 1)


def test_regression_on_the_seen_lags_has_the_error_of_the_floor() -> None:
    """An independent computation: least squares on sampled sequences, every step scored."""
    rng = np.random.default_rng(0)
    length, width = 24, 6
    w = window_weights(length, 0)
    k = memory_function("polynomial", 0.7, length, w)
    x = rng.standard_normal((20_000, length))
    padded = np.concatenate([np.zeros((len(x), length - 1)), x], axis=1)
    lags = np.lib.stride_tricks.sliding_window_view(padded, length, axis=1)[
        ..., ::-1
    ]  # (N, T, lag)
    y = (lags @ k).ravel()
    seen = lags[..., :width].reshape(-1, width)
    residual = y - seen @ np.linalg.lstsq(seen, y, rcond=None)[0]
    assert np.mean(residual**2) == pytest.approx(fir_floor(k, w, width), rel=0.02)


def test_a_negative_width_is_refused() -> None:
    with pytest.raises(ValueError, match="-1"):
        fir_floor(np.ones(3), np.ones(3), -1)
