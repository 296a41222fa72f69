"""The progress of a member's training."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


@dataclass
class Progress:
    """Everything that changes while a member trains; the content of a checkpoint.

    Attributes
    ----------
    step : int
        Number of optimiser steps done.
    best_step : int
        The validated step with the smallest error; 0 is the untrained model.
    best_error : float
        Relative validation error at the best step.
    diverged_step : int
        The first step whose loss is not finite, or the validated step with an error above the
        threshold; -1 if the member has not diverged.
    seconds : float
        Training time over all jobs; in an ensemble, this member's share of it.
    ensemble_size : int
        Number of members that trained together, including this one.
    ensemble : int
        A number shared by the members that trained together; 0 if it trained alone.
    train_error, validation_error : list of float
        Relative errors at the validated steps; `train_error` is the mean loss since the previous
        validation.
    tensors : dict
        Flat vectors of the optimiser, and ``best.*``, the state dict of the best step.
    losses : (steps,) tensor
        Training loss of each step.
    memory : (validations, T) tensor
        Learned memory function at the validated steps; NaN if not recorded (yet).
    """

    step: int = 0
    best_step: int = 0
    best_error: float = float("inf")
    diverged_step: int = -1
    seconds: float = 0.0
    ensemble_size: int = 1
    ensemble: int = 0
    train_error: list[float] = field(default_factory=list)
    validation_error: list[float] = field(default_factory=list)
    tensors: dict[str, Tensor] = field(default_factory=dict)
    losses: Tensor = field(default_factory=lambda: torch.empty(0))
    memory: Tensor = field(default_factory=lambda: torch.empty(0, 0))

    @property
    def finished(self) -> bool:
        """Whether all steps are done or the member has diverged."""
        return self.diverged_step >= 0 or 0 < len(self.losses) == self.step

    def best_weights(self) -> dict[str, NDArray[np.float32]]:
        """The state dict of the best step as arrays."""
        prefix = "best."
        return {
            name.removeprefix(prefix): tensor.cpu().numpy()
            for name, tensor in self.tensors.items()
            if name.startswith(prefix)
        }
