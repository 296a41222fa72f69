"""Long short-term memory: Hochreiter & Schmidhuber (1997), doi 10.1162/neco.1997.9.8.1735,
with the forget gate of Gers et al. (2000), doi 10.1162/089976600300015015

i, f, o = sigmoid(W u + U h + b),  g = tanh(W u + U h + b)
c' = f c + i g,  h' = o tanh(c')
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from mfbench.architectures.mixer import RecurrentMixer
from mfbench.architectures.registry import register


@register
class LSTM(RecurrentMixer):
    """Hidden and cell state of `width` units each; the hidden state is the output."""

    def __init__(self, width: int, layer: int, length: int, *, forget_bias: float = 1.0) -> None:
        super().__init__()
        self.cell = nn.LSTM(width, width, batch_first=True)
        with torch.no_grad():  # gates in the order i, f, g, o
            self.cell.bias_ih_l0[width : 2 * width] = forget_bias
            self.cell.bias_hh_l0[width : 2 * width] = 0.0

    @property
    def state_size(self) -> int:
        return 2 * self.cell.hidden_size

    def forward(self, u: Tensor) -> Tensor:
        return self.cell(u)[0]  # (B, T, C)

    def initial_state(self, batch: int) -> tuple[Tensor, Tensor]:
        zero = self.cell.weight_hh_l0.new_zeros(batch, self.cell.hidden_size)
        return zero, zero

    def step(
        self, u: Tensor, state: tuple[Tensor, Tensor]
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        h, c = state  # (B, C)
        W, U = self.cell.weight_ih_l0, self.cell.weight_hh_l0  # (4C, C)
        gates = u @ W.T + self.cell.bias_ih_l0 + h @ U.T + self.cell.bias_hh_l0
        i, f, g, o = gates.chunk(4, -1)
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        h = torch.sigmoid(o) * torch.tanh(c)
        return h, (h, c)
