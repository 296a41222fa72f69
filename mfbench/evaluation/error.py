"""The error of a model on the test split."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mfbench.evaluation.statistics import mean_and_standard_error
from mfbench.models.ensemble import Ensemble
from mfbench.models.model import Model


@dataclass(frozen=True)
class ErrorOnTest:
    """Errors relative to the error of predicting zero.

    Attributes
    ----------
    relative_mse : float
        Mean over sequences and scored steps.
    standard_error : float
        Standard error of that mean, from the spread over sequences.
    over_time : (T - t0,) float64 array
        Mean over sequences at each scored step.
    """

    relative_mse: float
    standard_error: float
    over_time: NDArray[np.float64]


def of_each(tensors: Sequence[Tensor], like: Tensor) -> Tensor:
    """Stack the tensors (...) of M members to (M, ...), with the type and device of `like`.

    Equal tensors, like the inputs of a study's tasks, are stored only once.
    """
    first, *others = tensors
    if all(other is first or torch.equal(other, first) for other in others):
        return first.to(like).expand(len(tensors), *first.shape)
    return torch.stack(list(tensors)).to(like)


def predict(
    model: Model | Ensemble, x: Tensor, *, scored_from: int, batch_size: int
) -> NDArray[np.float64]:
    """Predictions (..., N, T - t0) at the scored steps of inputs (..., N, T, d).

    An ensemble gets the inputs of each member, (M, N, T, d).
    """
    with torch.no_grad():
        batches = [model(x_b)[..., scored_from:, 0] for x_b in x.split(batch_size, -3)]
    return np.asarray(torch.cat(batches, -2).double().cpu().numpy())


def error_of_predictions(
    predictions: NDArray[np.float64], y: Tensor, *, scored_from: int
) -> ErrorOnTest:
    """Mean squared error of predictions (N, T - t0) for targets (N, T), in float64."""
    target = y[:, scored_from:].double().cpu().numpy()
    square = (predictions - target) ** 2
    mean, error = mean_and_standard_error(square.mean(1))
    return ErrorOnTest(relative_mse=mean, standard_error=error, over_time=square.mean(0))


def relative_mse(
    model: Model | Ensemble,
    x: Tensor,
    y: Tensor,
    *,
    scored_from: int,
    batch_size: int,
) -> NDArray[np.float64]:
    """Mean squared error for targets of variance 1, (...); infinite if an output is not finite.

    Parameters
    ----------
    model : Model or Ensemble
    x : (..., N, T, d) tensor
        Inputs; (M, N, T, d) for an ensemble.
    y : (..., N, T) tensor
        Targets.
    scored_from : int
        First scored step.
    batch_size : int
        Sequences per batch.
    """
    predictions = predict(model, x, scored_from=scored_from, batch_size=batch_size)
    residual = predictions - y[..., scored_from:].double().cpu().numpy()
    error = np.mean(residual**2, (-2, -1))
    return np.where(np.isfinite(error), error, np.inf)
