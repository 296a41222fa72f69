"""What the recurrent networks whose weights live in a cell of torch.nn share."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

import torch
from torch import Tensor, nn

from mfbench.architectures.mixer import RecurrentMixer
from mfbench.architectures.stacked import over_members


class CellMixer(RecurrentMixer):
    """A one-layer recurrence of torch.nn with `width` units.

    The cell brings the initialisation, and cuDNN on a GPU.
    """

    states: ClassVar[int] = 1  # vectors of `width` units carried from step to step

    def __init__(self, cell: nn.RNNBase) -> None:
        super().__init__()
        self.cell = cell

    @property
    def state_size(self) -> int:
        return self.states * self.cell.hidden_size

    @property
    def stack_limit(self) -> int:
        """Many: one step of a recurrence leaves a GPU idle."""
        return 128

    def weights(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """W and U, (G C, C), and their biases b and c, (G C,), for G gates; zero without bias."""
        W, U, *biases = self.cell.parameters()
        b, c = biases or (W.new_zeros(len(W)), W.new_zeros(len(W)))
        return W, U, b, c

    def zeros(self, batch: int) -> Tensor:
        """One vector of the initial state, (B, C)."""
        return self.weights()[1].new_zeros(batch, self.cell.hidden_size)

    def scan(self, function: Callable[..., Tensor], v: Tensor, *weights: Tensor) -> Tensor:
        """All steps of v, (T, B, G C) -> (T, B, C); of all members at once in a stack.

        There the function gets v as (T, M, B, G C) and the weights as (M, ...).
        """
        if not self.stacked:
            return function(v, *weights)

        def whole(v: Tensor, *weights: Tensor) -> Tensor:
            return function(v.transpose(0, 1), *weights).transpose(0, 1)

        return over_members(whole, v, *weights)


def add_product(U: Tensor) -> Callable[..., Tensor]:
    """The function that adds a product with U, (C, C), or of each member with its own, (M, C, C).

    Both are called as ``f(a, b, c, out=d)`` for d = a + b c.
    """
    return torch.addmm if U.ndim == 2 else torch.baddbmm


def sum_of_products(a: Tensor, b: Tensor) -> Tensor:
    """Sum of a b' over steps and sequences: (T, B, G), (T, B, C) -> (G, C), or each with an M."""
    if a.ndim == 4:
        a, b = a.transpose(0, 1), b.transpose(0, 1)  # (M, T, B, ...)
    return a.flatten(-3, -2).mT @ b.flatten(-3, -2)
