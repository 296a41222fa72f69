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


def measure_error(
    model: SequenceModel,
    x: Tensor,
    y: Tensor,
    *,
    scored_from: int,
    variance: float,
    batch_size: int,
) -> ErrorOnTest:
    """Relative mean squared error on sequences (N, T), in float64 sums."""
    squares = []
    with torch.no_grad():
        for x_b, y_b in zip(x.split(batch_size), y.split(batch_size), strict=True):
            residual = (model(x_b[..., None])[..., 0] - y_b)[:, scored_from:]
            squares.append(residual.double().square().cpu().numpy() / variance)
    relative = np.concatenate(squares)  # (N, T - t0)
    mean, error = mean_and_standard_error(relative.mean(1))
    return ErrorOnTest(relative_mse=mean, standard_error=error, over_time=relative.mean(0))
