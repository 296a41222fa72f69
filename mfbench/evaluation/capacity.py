"""The linear memory capacity of a model's state: how well each past input can be read from it.

z_t is what the model carries on after step t, and r^2_s the share of the variance of x_{t-s} that
the best linear readout of z_t explains, over all sequences and scored steps; x is 0 before step 0.
White inputs at different lags are orthonormal as random variables, and r^2_s is the squared length
of the projection of x_{t-s} onto the span of the state's n numbers. So the r^2_s sum to at most n
(H. Jaeger, Short term memory in echo state networks, GMD Report 152, 2002, proposition 2).

By chance, a readout of n numbers explains a share n / M of the variance of any M samples. The
estimates correct for these n degrees of freedom (M. Ezekiel, Methods of correlation analysis,
1930): their mean is 0 where nothing is remembered and 1 where everything is. Large nonlinear states
with rare large values are underestimated: of an untrained mamba with 608 numbers, 12.7 lags are
found in 32768 samples, 11.9 in 8192 and 10.9 in 4096.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mfbench.models.model import Model
from mfbench.models.own_code import ArchitectureError, own_code
from mfbench.tasks.datasets import Task
from mfbench.tasks.past import MarkedPast, StepPast

_SAMPLES = 8192  # (sequence, step) pairs: about as many, if the test split has them
_NUMBERS = 2**22  # samples x lags, at most: fewer samples of sequences with more than 512 steps
_PER_NUMBER = 4  # samples for each number of the state, at least
_ROUNDING = 1e-10  # directions with a smaller share of the largest variance are > 1 % rounding

# Name: (dimensions besides a member's, long_name).
CAPACITY: dict[str, tuple[tuple[str, ...], str]] = {
    "memory_capacity": (
        ("lag",),
        "share of the variance of x at each lag that the best linear readout of the state explains",
    ),
    "total_memory_capacity": ((), "sum of memory_capacity over lag"),
    "readout_error": ((), "relative mean squared error of the best linear readout of the state"),
}
OF_MARKED_TASKS: dict[str, tuple[tuple[str, ...], str]] = {
    "marked_memory_capacity": (
        ("lag",),
        "memory_capacity for the marked inputs, at the lags of the memory function",
    ),
}


class Capacity(NamedTuple):
    """What `memory_capacity` finds; all NaN if no state is known.

    Attributes
    ----------
    over_lag : (T,) float64 array
        r^2 of x at each lag. Where nothing is remembered, it is 0 up to sampling noise and may be
        negative.
    marked : (T,) float64 array
        r^2 of what the memory function reads at each lag: marked inputs in a marked task, otherwise
        x as in `over_lag`.
    readout_error : float
        Error of the best linear readout for the target, relative to the target's variance.
    message : str
        Why they are NaN; empty if they are not.
    """

    over_lag: NDArray[np.float64]
    marked: NDArray[np.float64]
    readout_error: float
    message: str = ""

    def named(self, *, marked: bool) -> dict[str, Any]:
        """The values of `CAPACITY`, and of `OF_MARKED_TASKS` if the task is marked."""
        return {
            "memory_capacity": self.over_lag,
            "total_memory_capacity": self.over_lag.sum(),
            "readout_error": self.readout_error,
            **({"marked_memory_capacity": self.marked} if marked else {}),
        }


def memory_capacity(model: Model, task: Task) -> Capacity:
    """The capacity of a model that has a step form, on sequences of the test split.

    Parameters
    ----------
    model : Model
        In evaluation mode.
    task : Task
        With its test split.
    """
    length, scored_from = len(task.kernel), task.scored_from
    if any(part.recur is None for part in model.parts()):
        return _none(length, "the model has no step form (initial_state and step)")
    wanted = min(_SAMPLES, _NUMBERS // length)
    sequences = slice(-(-wanted // (length - scored_from)))
    x = torch.from_numpy(task.inputs("test")[sequences]).to(model.like)
    samples = len(x) * (length - scored_from)
    states: list[Tensor] = []
    try:
        with torch.no_grad(), own_code():
            for t, (_, state) in enumerate(model.steps(x)):
                numbers = _numbers(state, len(x))
                if _PER_NUMBER * (size := numbers.shape[1]) > samples:
                    return _none(length, f"a state of {size} numbers: too many for {samples} steps")
                if t >= scored_from:
                    states.append(numbers)
    except ArchitectureError as error:
        return _none(length, str(error))
    z = torch.stack(states, 1).flatten(0, 1)  # (M, n)
    if not z.isfinite().all():
        return _none(length, "the state is not finite")
    parts = [_lagged(task.x["test"][sequences]), task.y["test"][sequences, :, None]]
    if task.marks is not None:
        parts.insert(1, _read(task, sequences))
    columns = np.concatenate([part[:, scored_from:] for part in parts], -1)
    u = torch.from_numpy(columns).to(z.device, torch.float64).flatten(0, 1)  # (M, lags and target)
    unexplained = _unexplained(z, u)
    variance = u.var(0).cpu().numpy()
    share = 1 - np.divide(unexplained, variance, out=np.ones_like(variance), where=variance > 0)
    return Capacity(share[:length], share[-length - 1 : -1], float(unexplained[-1]))


def _none(length: int, message: str) -> Capacity:
    nothing = np.full(length, np.nan)
    return Capacity(nothing, nothing, np.nan, message)


def _unexplained(z: Tensor, u: Tensor) -> NDArray[np.float64]:
    """The variance of each column of u (M, K) that no linear readout of z (M, n) explains."""
    rounding = torch.finfo(z.dtype).eps
    z = z.double()
    mean = z.mean(0)
    z, u = z.sub_(mean), u - u.mean(0)
    products = z.mT @ z  # (n, n)
    deviation = (products.diagonal() / len(z)).sqrt()
    moving = deviation > rounding * mean.abs()
    inverse = torch.where(moving, 1 / deviation, 0.0)
    values, vectors = torch.linalg.eigh(inverse[:, None] * products * inverse)
    kept = values > _ROUNDING * values[-1:]  # in ascending order
    basis = inverse[:, None] * vectors[:, kept]
    readout = basis @ ((basis.mT @ (z.mT @ u)) / values[kept, None])
    left = (u - z @ readout).square().sum(0) / (len(z) - 1 - basis.shape[1])
    return np.asarray(left.cpu().numpy())


def _read(task: Task, sequences: slice) -> NDArray[np.float64]:
    """What the memory function reads, at [sequence, t, s]."""
    past = task.past("test")
    if isinstance(past, MarkedPast):
        return past.at(sequences)
    assert isinstance(past, StepPast)
    return _lagged(past.u[sequences])


def _lagged(x: NDArray[Any]) -> NDArray[Any]:
    """x_{t-s} at [sequence, t, s], 0 before step 0."""
    length = x.shape[-1]
    padded = np.pad(x, ((0, 0), (length - 1, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, length, axis=-1)
    return windows[..., ::-1]


def _numbers(state: Any, batch: int) -> Tensor:
    """The real numbers of a state, (B, n), without what all sequences share, such as a clock."""
    parts = list(_flat(state, batch))
    return torch.cat(parts, 1) if parts else torch.empty(batch, 0)


def _flat(state: Any, batch: int) -> Iterator[Tensor]:
    if isinstance(state, Mapping):
        state = list(state.values())
    if isinstance(state, list | tuple):
        for part in state:
            yield from _flat(part, batch)
    elif isinstance(state, Tensor) and state.shape[:1] == (batch,):
        real = torch.view_as_real(state) if state.is_complex() else state
        if real.is_floating_point():
            yield real.reshape(batch, -1)
