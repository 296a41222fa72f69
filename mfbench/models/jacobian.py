"""Jacobians of a model, batched, and their mean over the scored steps.

For a causal model yhat under white Gaussian input of variance 1, the best linear description
``H[t, s] = E[yhat_t x_{t-s}]`` equals ``E[d yhat_t / d x_{t-s}]`` (Stein's lemma). For a linear
model the Jacobian is H under any input. The learned memory function is the mean of H over the
scored steps t >= s; for a perfect model it is the target's memory function.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mfbench.models.ensemble import Ensemble
from mfbench.models.own_code import own_code


def jacobian_rows(
    model: torch.nn.Module | Ensemble, x: Tensor, times: Tensor
) -> tuple[Tensor, Tensor]:
    """One row of the Jacobian for each pair of an input and an output step, and the outputs.

    Sequences do not interact, so one backward pass gives the rows of a whole batch. The `grad` of
    the parameters stays unchanged.

    Parameters
    ----------
    x : (..., P, T) tensor
        Inputs; (M, P, T) for an ensemble.
    times : (P,) tensor of int
        Output step of each pair.

    Returns
    -------
    rows : (..., P, T) tensor
        ``d yhat_t / d x_{t-s}`` at [..., pair, s]; zero where s > t.
    outputs : (..., P, T) tensor
    """
    x = x.detach().requires_grad_()
    pairs = torch.arange(x.shape[-2], device=x.device)
    # cuDNN's recurrent networks have no backward pass outside of training mode.
    with torch.backends.cudnn.flags(enabled=False):
        outputs = model(x[..., None])[..., 0]  # (..., P, T)
        with own_code():  # the model may define its own backward pass
            scored = outputs[..., pairs, times].sum()
            (gradient,) = torch.autograd.grad(scored, x)  # (..., P, T) over input step
    step = times[:, None] - torch.arange(x.shape[-1], device=x.device)  # input step of each lag
    lagged = gradient.gather(-1, step.clamp(min=0).expand_as(gradient))
    return torch.where(step >= 0, lagged, 0.0), outputs.detach()


def probe_jacobians(
    model: torch.nn.Module | Ensemble,
    x: Tensor,
    *,
    scored_from: int,
    batch_size: int,
    probes: int | None = None,
) -> tuple[NDArray[np.float64], NDArray[np.int_], NDArray[np.float64]]:
    """Rows of the Jacobian at steps spread evenly over the scored ones.

    Parameters
    ----------
    model : Module or Ensemble
        Any module that maps (B, T, 1) to (B, T, 1). A model with ``linear = True`` has the same
        Jacobian for all inputs, so only the shape of `x` matters.
    x : (..., N, T) tensor
        Inputs, reused in turn if P > N; (M, N, T) for an ensemble.
    scored_from : int
        First scored step.
    batch_size : int
        Pairs of an input and a step per batch.
    probes : int, optional
        Number P of pairs. Default: every scored step for a linear model, otherwise one step per
        input.

    Returns
    -------
    rows : (..., P, T) float64 array
        ``d yhat_t / d x_{t-s}`` at [..., pair, s]; zero where s > t.
    times : (P,) int array
        Step t of each pair. Always includes T - 1, the only step that sees every lag.
    outputs : (..., P, T) float64 array
        Output for the input of each pair; 0 for a linear model, which is probed at x = 0.
    """
    length = x.shape[-1]
    steps = length - scored_from
    linear = bool(getattr(model, "linear", False))
    if probes is None:
        probes = steps if linear else x.shape[-2]
    pair = torch.arange(probes, device=x.device)
    times = length - 1 - pair * steps // probes
    inputs = torch.zeros_like(x[..., :1, :]) if linear else x
    batches = [
        jacobian_rows(model, inputs[..., batch % inputs.shape[-2], :], times[batch])
        for batch in pair.split(batch_size)
    ]
    rows, outputs = (
        torch.cat(parts, -2).double().cpu().numpy() for parts in zip(*batches, strict=True)
    )
    return rows, times.cpu().numpy(), outputs


def mean_over_steps(rows: NDArray[np.float64], times: NDArray[np.int_]) -> NDArray[np.float64]:
    """Mean (..., T) of rows (..., P, T) over the pairs that see the lag, t >= s."""
    seen = times[:, None] >= np.arange(rows.shape[-1])
    return np.asarray(rows.sum(-2) / seen.sum(0))
