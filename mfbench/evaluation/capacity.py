"""The linear memory capacity of a model's state: how well each past input can be read from it.

z_t is what the model carries on after step t, and r^2_s the share of the variance of x_{t-s} that
the best linear readout of z_t explains, over all sequences and scored steps; x is 0 before step 0.
White inputs at different lags are uncorrelated. So r^2_s is the squared length of the projection of
one of several orthonormal vectors onto the span of n numbers, and these sum to at most n
(H. Jaeger, Short term memory in echo state networks, GMD Report 152, 2001, proposition 2).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mfbench.models.model import Model
from mfbench.models.own_code import own_code

_SAMPLES = 16384  # (sequence, step) pairs, at most
_PER_NUMBER = 4  # training samples for each number of the state, at least
_ROUNDING = 1e-12  # variance of directions of a float32 state that are rounding, of the largest


class Capacity(NamedTuple):
    """What `memory_capacity` finds.

    Attributes
    ----------
    over_lag : (T,) float64 array
        r^2 at each lag, on sequences that the readout was not fitted to. Where nothing is
        remembered, it is 0 up to sampling noise and may be negative. NaN if no state is known.
    total : float
        Its sum.
    message : str
        Why it is NaN; empty if it is not.
    """

    over_lag: NDArray[np.float64]
    total: float
    message: str = ""


def memory_capacity(model: Model, x: Tensor, *, scored_from: int) -> Capacity:
    """The capacity of a model that has a step form.

    Parameters
    ----------
    model : Model
        In evaluation mode.
    x : (N, T, d) tensor
        Inputs on the model's device, whose first channel is white x; the readout is fitted to the
        first half of the sequences and judged on the second.
    scored_from : int
        First scored step.

    Raises
    ------
    ArchitectureError
        The model's own step fails.
    """
    length = x.shape[1]
    if any(part.recur is None for part in model.parts()):
        return _none(length, "the model has no step form (initial_state and step)")
    x = x[: max(2, _SAMPLES // (length - scored_from))]
    with torch.no_grad(), own_code():
        states = [_numbers(state, len(x)) for _, state in model.steps(x)]
    z = torch.stack(states[scored_from:], 1).double().cpu().numpy()  # (N, scored steps, n)
    u = _lagged(x[..., 0].double().cpu().numpy())[:, scored_from:]  # (N, scored steps, lag)
    half = len(x) // 2
    z_fit, u_fit, z_test, u_test = (
        part.reshape(-1, part.shape[-1]) for part in (z[:half], u[:half], z[half:], u[half:])
    )
    if _PER_NUMBER * z.shape[-1] > len(z_fit):
        size = z.shape[-1]
        return _none(length, f"a state of {size} numbers: too many to fit to {len(z_fit)} steps")
    mean, scale = z_fit.mean(0), z_fit.std(0)
    moving = scale > 0
    z_fit, z_test = ((part - mean)[:, moving] / scale[moving] for part in (z_fit, z_test))
    values, vectors = np.linalg.eigh(z_fit.T @ z_fit)
    kept = values > _ROUNDING * values.max(initial=0.0)
    basis = vectors[:, kept]
    readout = basis @ ((basis.T @ (z_fit.T @ u_fit)) / values[kept, None])
    wrong = np.square(u_test - u_fit.mean(0) - z_test @ readout).sum(0)
    over_lag = 1 - wrong / np.square(u_test).sum(0)
    return Capacity(over_lag, float(over_lag.sum()))


def _none(length: int, message: str) -> Capacity:
    return Capacity(np.full(length, np.nan), np.nan, message)


def _lagged(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """x_{t-s} at [sequence, t, s], 0 before step 0."""
    length = x.shape[-1]
    padded = np.pad(x, ((0, 0), (length - 1, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, length, axis=-1)
    return windows[..., ::-1]


def _numbers(state: Any, batch: int) -> Tensor:
    """The real numbers of a state, (B, n), without what all sequences share, such as a clock."""
    return torch.cat([torch.empty(batch, 0), *_flat(state, batch)], 1)


def _flat(state: Any, batch: int) -> Iterator[Tensor]:
    if isinstance(state, Mapping):
        state = list(state.values())
    if isinstance(state, list | tuple):
        for part in state:
            yield from _flat(part, batch)
    elif isinstance(state, Tensor) and state.shape[:1] == (batch,):
        real = torch.view_as_real(state) if state.is_complex() else state
        if real.is_floating_point():
            yield real.reshape(batch, -1).cpu()
