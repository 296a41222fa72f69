"""Training data on the device of a job."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from mfbench.tasks.datasets import Task
from mfbench.tasks.kernels.marks import Marks


@dataclass(frozen=True)
class TrainingData:
    """The training data of a cell, as tensors on a device.

    Attributes
    ----------
    x, x_validation : (N, T, d) tensors
        Inputs: a white sequence, and the marks if the task has any.
    y, y_validation : (N, T) tensors
    scored_from : int
        First scored step; the loss covers the steps from here on.
    marks : Marks or None
        How the task uses marks.
    """

    x: Tensor
    y: Tensor
    x_validation: Tensor
    y_validation: Tensor
    scored_from: int
    marks: Marks | None = None

    @classmethod
    def of(cls, task: Task, *, device: torch.device) -> TrainingData:
        """Put the splits ``train`` and ``validation`` of a task on a device."""
        return cls(
            x=torch.from_numpy(task.inputs("train")).to(device),
            y=torch.from_numpy(task.y["train"]).to(device),
            x_validation=torch.from_numpy(task.inputs("validation")).to(device),
            y_validation=torch.from_numpy(task.y["validation"]).to(device),
            scored_from=task.scored_from,
            marks=task.marks,
        )

    @property
    def length(self) -> int:
        """Sequence length T in steps."""
        return self.x.shape[1]

    @property
    def channels(self) -> int:
        """Number of input channels d."""
        return self.x.shape[2]


class Shared:
    """One (N, T, ...) tensor for each of M members, storing equal tensors once."""

    def __init__(self, tensors: Sequence[Tensor]) -> None:
        distinct: list[Tensor] = []
        known: dict[int, int] = {}  # by identity: most members share the same object
        for tensor in tensors:
            if id(tensor) not in known:
                equal = (i for i, other in enumerate(distinct) if torch.equal(other, tensor))
                known[id(tensor)] = next(equal, len(distinct))
                if known[id(tensor)] == len(distinct):
                    distinct.append(tensor)
        self._values = torch.stack(distinct)  # (D, N, T, ...)
        which = [known[id(tensor)] for tensor in tensors]
        self._which = torch.tensor(which, device=self._values.device)  # (M,)

    def rows(self, index: Tensor) -> Tensor:
        """Select different rows for each member: (M, B) -> (M, B, T, ...)."""
        return self._values[self._which[:, None], index]

    def part(self, rows: slice) -> Tensor:
        """Select the same n rows for all members, (M, n, T, ...)."""
        return self._values[:, rows][self._which]
