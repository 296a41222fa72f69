"""What a cell trains on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


@dataclass(frozen=True)
class TrainingData:
    """What a cell trains on, as tensors on its device.

    Attributes
    ----------
    x, y, x_validation, y_validation : (N, T) tensors
    scored_from : int
        First scored step: the loss is the mean squared error over the steps from there on.
    variance : float
        Squared error of the zero predictor, which errors are relative to.
    """

    x: Tensor
    y: Tensor
    x_validation: Tensor
    y_validation: Tensor
    scored_from: int
    variance: float

    @classmethod
    def of(
        cls,
        x: Mapping[str, NDArray[np.float32]],
        y: Mapping[str, NDArray[np.float32]],
        *,
        scored_from: int,
        variance: float,
        device: torch.device,
    ) -> TrainingData:
        """The splits ``train`` and ``validation`` of a task, put on a device."""
        return cls(
            x=torch.from_numpy(x["train"]).to(device),
            y=torch.from_numpy(y["train"]).to(device),
            x_validation=torch.from_numpy(x["validation"]).to(device),
            y_validation=torch.from_numpy(y["validation"]).to(device),
            scored_from=scored_from,
            variance=variance,
        )

    @property
    def length(self) -> int:
        """Sequence length T in steps."""
        return self.x.shape[1]
