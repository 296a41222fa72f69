"""Training data on the device of a job."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


@dataclass(frozen=True)
class TrainingData:
    """The training data of a cell, as tensors on a device.

    Attributes
    ----------
    x, y, x_validation, y_validation : (N, T) tensors
    scored_from : int
        First scored step; the loss covers the steps from here on.
    """

    x: Tensor
    y: Tensor
    x_validation: Tensor
    y_validation: Tensor
    scored_from: int

    @classmethod
    def of(
        cls,
        x: Mapping[str, NDArray[np.float32]],
        y: Mapping[str, NDArray[np.float32]],
        *,
        scored_from: int,
        device: torch.device,
    ) -> TrainingData:
        """Put the splits ``train`` and ``validation`` of a task on a device."""
        return cls(
            x=torch.from_numpy(x["train"]).to(device),
            y=torch.from_numpy(y["train"]).to(device),
            x_validation=torch.from_numpy(x["validation"]).to(device),
            y_validation=torch.from_numpy(y["validation"]).to(device),
            scored_from=scored_from,
        )

    @property
    def length(self) -> int:
        """Sequence length T in steps."""
        return self.x.shape[1]


class Shared:
    """One (N, T) tensor for each of M members, storing equal tensors once."""

    def __init__(self, tensors: Sequence[Tensor]) -> None:
        distinct: list[Tensor] = []
        known: dict[int, int] = {}  # by identity: most members share the same object
        for tensor in tensors:
            if id(tensor) not in known:
                equal = (i for i, other in enumerate(distinct) if torch.equal(other, tensor))
                known[id(tensor)] = next(equal, len(distinct))
                if known[id(tensor)] == len(distinct):
                    distinct.append(tensor)
        self._values = torch.stack(distinct)  # (D, N, T)
        which = [known[id(tensor)] for tensor in tensors]
        self._which = torch.tensor(which, device=self._values.device)  # (M,)

    def rows(self, index: Tensor) -> Tensor:
        """Select different rows for each member: (M, B) -> (M, B, T)."""
        return self._values[self._which[:, None], index]

    def part(self, rows: slice) -> Tensor:
        """Select the same n rows for all members, (M, n, T)."""
        return self._values[:, rows][self._which]
