"""The error of a model on the test split."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mfbench.architectures.model import SequenceModel
from mfbench.statistics import mean_and_standard_error


@dataclass(frozen=True)
class ErrorOnTest:
    """Errors relative to the zero predictor's squared error.

    Attributes
    ----------
    relative_mse : float
        Mean over sequences and scored steps.
    standard_error : float
        Of that mean, from the spread over sequences.
    over_time : (T - t0,) float64 array
        Mean over sequences at each scored step.
    """

    relative_mse: float
    standard_error: float
    over_time: NDArray[np.float64]


def predict(
    model: SequenceModel, x: Tensor, *, scored_from: int, batch_size: int
) -> NDArray[np.float64]:
    """Predictions at the scored steps for sequences (N, T), (N, T - t0)."""
    with torch.no_grad():
        batches = [model(x_b[..., None])[:, scored_from:, 0] for x_b in x.split(batch_size)]
    return np.asarray(torch.cat(batches).double().cpu().numpy())


def error_of_predictions(
    predictions: NDArray[np.float64], y: Tensor, *, scored_from: int, variance: float
) -> ErrorOnTest:
    """Relative mean squared error of predictions (N, T - t0) for targets (N, T), in float64."""
    target = y[:, scored_from:].double().cpu().numpy()
    relative = (predictions - target) ** 2 / variance
    mean, error = mean_and_standard_error(relative.mean(1))
    return ErrorOnTest(relative_mse=mean, standard_error=error, over_time=relative.mean(0))


def relative_mse(
    model: SequenceModel,
    x: Tensor,
    y: Tensor,
    *,
    scored_from: int,
    variance: float,
    batch_size: int,
) -> float:
    """Relative mean squared error alone; infinite where an output is not finite."""
    predictions = predict(model, x, scored_from=scored_from, batch_size=batch_size)
    residual = predictions - y[:, scored_from:].double().cpu().numpy()
    error = float(np.mean(residual**2) / variance)
    return error if np.isfinite(error) else float("inf")
