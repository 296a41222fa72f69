"""Jacobians of a model: how its output at a step changes with the inputs before.

For a causal model yhat, ``H[t, s] = E[d yhat_t / d x_{t-s}]``; under Gaussian input this equals
``E[yhat_t x_{t-s}]`` (Stein's lemma), the best linear description of the model.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mfbench.architectures.model import SequenceModel


@dataclass(frozen=True)
class MeanJacobian:
    """Mean over the probes and its standard error, (T,) float64 arrays over lag."""

    mean: NDArray[np.float64]
    standard_error: NDArray[np.float64]


def jacobian_rows(model: SequenceModel, x: Tensor, times: Tensor) -> Tensor:
    """One row of the Jacobian for each pair of an input and an output step.

    Sequences do not touch each other, so one backward pass gives the rows of a whole batch. The
    gradients of the parameters are left alone.

    Parameters
    ----------
    x : (P, T) tensor
        Inputs.
    times : (P,) tensor of int
        Output step of each pair.

    Returns
    -------
    (P, T) tensor
        ``d yhat_t / d x_{t-s}`` at [pair, s]; zero where s > t.
    """
    x = x.detach().requires_grad_()
    pairs = torch.arange(len(x), device=x.device)
    # cuDNN's recurrent networks have no backward pass outside of training mode.
    with torch.backends.cudnn.flags(enabled=False):
        outputs = model(x[..., None])[pairs, times, 0]  # (P,)
        (gradient,) = torch.autograd.grad(outputs.sum(), x)  # (P, T) over input step
    step = times[:, None] - torch.arange(x.shape[1], device=x.device)  # input step of each lag
    return torch.where(step >= 0, gradient.gather(1, step.clamp(min=0)), 0.0)


def mean_jacobian(
    model: SequenceModel, x: Tensor, *, scored_from: int, probes: int, batch_size: int
) -> MeanJacobian:
    """Mean Jacobian over pairs of an input and a scored step, for each lag over t >= s.

    The steps are spread evenly from the last one, which alone sees every lag; each pair has an
    input of its own as far as they suffice. A linear model has one Jacobian for all inputs, so its
    rows are exact.

    Parameters
    ----------
    model : SequenceModel
    x : (N, T) tensor
        Inputs to average over.
    scored_from : int
        First scored step.
    probes : int
        Number of pairs.
    batch_size : int
        Pairs at once.
    """
    length = x.shape[1]
    pair = torch.arange(probes, device=x.device)
    times = length - 1 - pair * (length - scored_from) // probes
    inputs = torch.zeros_like(x[:1]) if model.linear else x
    total, squares, seen = np.zeros(length), np.zeros(length), np.zeros(length)
    for batch in pair.split(batch_size):
        t = times[batch]
        J = jacobian_rows(model, inputs[batch % len(inputs)], t).double().cpu().numpy()
        total += J.sum(0)
        squares += (J**2).sum(0)
        seen += (t.cpu().numpy()[:, None] >= np.arange(length)).sum(0)  # the lag is in the sequence
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        mean = total / seen  # NaN where no probe sees the lag
        variance = np.maximum(squares / seen - mean**2, 0.0) * seen / np.maximum(seen - 1, 1)
        error = np.zeros(length) if model.linear else np.sqrt(variance / seen)
    return MeanJacobian(mean=mean, standard_error=error)
