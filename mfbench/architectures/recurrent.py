"""What the recurrent networks whose weights live in a cell of torch.nn share."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor, nn

from mfbench.architectures.mixer import RecurrentMixer


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

    def weights(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """W and U, (G C, C), and their biases b and c, (G C,), for G gates; zero without bias."""
        W, U, *biases = self.cell.parameters()
        b, c = biases or (W.new_zeros(len(W)), W.new_zeros(len(W)))
        return W, U, b, c

    def zeros(self, batch: int) -> Tensor:
        """One vector of the initial state, (B, C)."""
        return self.weights()[1].new_zeros(batch, self.cell.hidden_size)
