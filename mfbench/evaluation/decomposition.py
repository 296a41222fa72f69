"""An exact decomposition of a model's error.

For a causal model yhat under independent input of mean 0 and variance 1, with
``H[t, s] = E[yhat_t x_{t-s}]`` and `h` its mean over the scored steps t >= s (the learned memory
function), the error relative to the target's variance is, for any architecture,

    MSE = sum_s w_s (k_s - h_s)^2  +  TV  +  bias^2  +  NL

with the time variation ``TV = mean_t sum_s (H[t, s] - h_s)^2``, ``bias^2 = mean_t (E yhat_t)^2``
and the nonlinear residual ``NL = mean_t Var(yhat_t - sum_s H[t, s] x_{t-s})``. To see this, project
yhat_t onto 1, x_0, ..., x_t, which are orthonormal, and then H onto responses that do not depend on
t. Each part has its own unbiased estimate; none is computed as the remainder of the others.

Marked tasks
    The target reads z_{t,s}, not x_{t-s} (`mfbench.tasks.past`). All of the above holds with z in
    place of x, and H[t, s] = E[yhat_t z_{t,s}] / E[z_{t,s}^2]. On a marked clock, E[z_{t,s}^2] is
    the probability of more than s marks up to step t. The parts come from correlations alone, with
    correlations at separate inputs as r.
Linear models
    H is the Jacobian: the first two parts are exact, the other two are 0.
Other models
    ``q_t = yhat_t - c_t - sum_s r_s x_{t-s}`` has ``E[q_t x_{t-s}] = H[t, s] - r_s`` for any fixed
    c and r. These correlations, over all test sequences and scored steps, give the parts. r is the
    mean Jacobian, and c the mean of yhat_t - sum_s r_s x_{t-s}, both at separate inputs. Under
    Gaussian input r equals `h` up to noise (Stein's lemma). q then contains only what is nonlinear
    or varies over time, and the parts have less noise. Under other input r is just a good guess; a
    bad guess adds noise but no bias.

A squared mean over N sequences is estimated by the products of different sequences, a U-statistic
(Hoeffding 1948, doi 10.1214/aoms/1177730196), so the noise of the mean causes no bias. Its standard
error comes from its first-order terms, with estimates for their parameters. If the mean is about 0,
it is too large by a factor of up to sqrt(2).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from mfbench.evaluation.error import of_each, predict
from mfbench.evaluation.statistics import mean_and_standard_error
from mfbench.models.ensemble import Ensemble
from mfbench.models.jacobian import mean_over_steps, probe_jacobians
from mfbench.tasks.datasets import Task, channels, new_inputs, new_sequences
from mfbench.tasks.kernels.marks import more_marks
from mfbench.tasks.past import MarkedPast, Past, StepPast, past_of

Array = NDArray[np.float64]
_NUMBERS = 2**22  # at once: on a marked clock, each sequence takes T^2
_NEVER = 1e-9  # a lag with a smaller probability is never seen


@dataclass(frozen=True)
class Estimate:
    """An estimate and its standard error, which is 0 if the estimate is exact.

    Estimates of a small positive number can be negative.
    """

    value: float
    standard_error: float


@dataclass(frozen=True)
class Decomposition:
    """The parts of the error, relative to the target's variance.

    Attributes
    ----------
    kernel_error, time_variation, squared_bias, nonlinear_residual : Estimate
    total : Estimate
        Their sum. It differs from the error measured on the same sequences only by sampling noise,
        because it uses the population energy of c and r - k.
    kernel_error_over_lag : (T,) float64 array
        ``w_s (k_s - h_s)^2``, whose sum is `kernel_error`.
    memory, memory_standard_error : (T,) float64 arrays
        The learned memory function `h`.
    """

    kernel_error: Estimate
    time_variation: Estimate
    squared_bias: Estimate
    nonlinear_residual: Estimate
    total: Estimate
    kernel_error_over_lag: Array
    memory: Array
    memory_standard_error: Array

    @property
    def half_error_lag(self) -> float:
        """The lag at which half of the kernel error is reached; NaN if its estimate is not > 0."""
        if not self.kernel_error.value > 0:
            return float("nan")
        return float(
            np.argmax(np.cumsum(self.kernel_error_over_lag) >= self.kernel_error.value / 2)
        )


def decompose(
    ensemble: Ensemble,
    tasks: Sequence[Task],
    predictions: Array,
    *,
    probes: int,
    batch_size: int,
) -> list[Decomposition]:
    """Split the error of each member of an ensemble into its parts.

    Parameters
    ----------
    ensemble : Ensemble
        In evaluation mode.
    tasks : sequence of Task
        The task of each member, with its test split; all of the same length and scored steps.
    predictions : (M, N, T - t0) array
        The members' predictions for the test split at the scored steps.
    probes : int
        Number of new inputs, each with a scored step, whose mean Jacobian is r. Linear models are
        probed once at every scored step instead. In marked tasks: of new sequences, whose
        correlations are r.
    batch_size : int
        Pairs of an input and a step per batch.

    Raises
    ------
    ValueError
        Fewer than two test sequences.
    """
    length, scored_from = len(tasks[0].kernel), tasks[0].scored_from
    if predictions.shape[1] < 2 and (tasks[0].marks or not ensemble.linear):
        raise ValueError("a decomposition needs at least two test sequences")
    if tasks[0].marks is not None:
        return _by_correlation(ensemble, tasks, predictions, probes=probes, batch_size=batch_size)
    inputs = [new_inputs(task, 0, count=probes, length=length) for task in tasks]
    x = of_each([torch.from_numpy(each) for each in inputs], ensemble.parameters)
    rows, times, outputs = probe_jacobians(
        ensemble, x, scored_from=scored_from, batch_size=batch_size
    )
    r = mean_over_steps(rows, times)  # (M, T)
    if ensemble.linear:
        return [_exact(rows[i], times, r[i], task) for i, task in enumerate(tasks)]
    parts = []
    for i, task in enumerate(tasks):
        linear = past_of(inputs[i], None, None).response(r[i])
        c = (outputs[i] - linear)[:, scored_from:].mean(0)
        parts.append(_from_sequences(predictions[i], r[i], c, task))
    return parts


def _by_correlation(
    ensemble: Ensemble,
    tasks: Sequence[Task],
    predictions: Array,
    *,
    probes: int,
    batch_size: int,
) -> list[Decomposition]:
    """The parts for marked tasks, whose r and c come from outputs for new sequences."""
    length, scored_from = len(tasks[0].kernel), tasks[0].scored_from
    new = [new_sequences(task, 0, count=probes, length=length) for task in tasks]
    x = of_each([torch.from_numpy(channels(*each)) for each in new], ensemble.parameters)
    outputs = predict(ensemble, x, scored_from=scored_from, batch_size=batch_size)
    parts = []
    for i, task in enumerate(tasks):
        past = past_of(*new[i], task.marks)
        r = past.means(outputs[i]).mean(0)
        c = (outputs[i] - past.response(r)[:, scored_from:]).mean(0)
        parts.append(_from_sequences(predictions[i], r, c, task))
    return parts


def _exact(rows: Array, times: NDArray[np.int_], h: Array, task: Task) -> Decomposition:
    """The parts of a linear model, given its Jacobian at every scored step."""
    over_lag = task.weights * (task.kernel - h) ** 2
    seen = times[:, None] >= np.arange(len(h))
    variation = np.where(seen, rows - h, 0.0) ** 2
    kernel_error, time_variation = float(over_lag.sum()), float(variation.sum() / len(rows))
    return Decomposition(
        kernel_error=Estimate(kernel_error, 0.0),
        time_variation=Estimate(time_variation, 0.0),
        squared_bias=Estimate(0.0, 0.0),
        nonlinear_residual=Estimate(0.0, 0.0),
        total=Estimate(kernel_error + time_variation, 0.0),
        kernel_error_over_lag=over_lag,
        memory=h,
        memory_standard_error=np.zeros_like(h),
    )


def _from_sequences(predictions: Array, r: Array, c: Array, task: Task) -> Decomposition:
    """The parts of any model from its test sequences, given r and c.

    Each array over sequences (N,) is an unbiased estimate of the quantity in its name. U-statistics
    are products of one sequence with the mean of all others.
    """
    past = task.past("test")
    q = predictions - c - past.response(r)[:, task.scored_from :]
    count, scored = q.shape
    square = (q**2).mean(1)  # mean_t E q_t^2
    others = scored * (count - 1)
    mean = (q @ q.sum(0) - (q**2).sum(1)) / others  # mean_t (E q_t)^2
    # The same for c_t + q_t: mean_t (E yhat_t)^2.
    bias = mean + (c**2).mean() + (q @ c) / scored + ((q.sum(0) - q) @ c) / others
    linear = _of_each_lag(q, past) / others  # mean_t sum_s E[z_{t,s}^2] (H[t, s] - r_s)^2
    shift = past.means(q)  # h_s - r_s, (N, T)
    shift_of_others = (shift.sum(0) - shift) / (count - 1)
    offset = r - task.kernel
    shared = (task.weights * shift * shift_of_others).sum(1)  # sum_s w_s (h_s - r_s)^2
    over_lag = task.weights * (offset + shift) * (offset + shift_of_others)  # (N, T)
    kernel = over_lag.sum(1)
    # In the sum, all products of two sequences cancel.
    constant = (task.weights * offset**2).sum() + (c**2).mean()
    total = square + constant + 2 * (shift @ (task.weights * offset) + (q @ c) / scored)
    return Decomposition(
        kernel_error=_estimate(kernel, 2 * kernel),
        time_variation=_estimate(linear - shared, 2 * (linear - shared)),
        squared_bias=_estimate(bias, 2 * bias),
        nonlinear_residual=_estimate(square - linear - mean, square - 2 * (linear + mean)),
        total=_estimate(total, total),
        kernel_error_over_lag=over_lag.mean(0),
        memory=r + shift.mean(0),
        memory_standard_error=shift.std(0, ddof=1) / np.sqrt(count),
    )


def _of_each_lag(q: Array, past: Past) -> Array:
    """sum_{t,s} of q_t z_{t,s} times its sum over all other sequences, over E[z_{t,s}^2], (N,)."""
    count, scored = q.shape
    if isinstance(past, StepPast):
        x = past.u
        seen = np.tri(scored, x.shape[1], x.shape[1] - scored)  # 0 where the input is in the future
        correlation = (q.T @ x) * seen  # (T - t0, T), summed over sequences
        return np.asarray(((q @ correlation) * x).sum(1) - (((q**2) @ seen) * x**2).sum(1))
    assert isinstance(past, MarkedPast)
    length = past.marked.shape[1]
    rows = [row for _, row in zip(range(length), more_marks(length, past.share), strict=False)]
    size = np.stack(rows)[length - scored :]  # E[z_{t,s}^2], (T - t0, T)
    inverse = np.divide(1.0, size, out=np.zeros_like(size), where=size > _NEVER)
    some = max(1, _NUMBERS // length**2)
    parts = [slice(start, start + some) for start in range(0, count, some)]

    def products(part: slice) -> Array:
        return q[part, :, None] * past.at(part)[:, length - scored :]

    total = np.sum([products(part).sum(0) for part in parts], 0)
    return np.concatenate(
        [
            np.einsum("nts,ts->n", own, inverse * total) - np.einsum("nts,ts->n", own**2, inverse)
            for own in map(products, parts)
        ]
    )


def _estimate(values: Array, influence: Array) -> Estimate:
    """The mean of the values, with its standard error from the influence of each sequence."""
    return Estimate(float(values.mean()), mean_and_standard_error(influence)[1])
