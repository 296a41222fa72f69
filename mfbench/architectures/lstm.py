"""Long short-term memory: Hochreiter & Schmidhuber (1997), doi 10.1162/neco.1997.9.8.1735,
with the forget gate of Gers et al. (2000), doi 10.1162/089976600300015015

i, f, o = sigmoid(W u + U h + b),  g = tanh(W u + U h + b)
c' = f c + i g,  h' = o tanh(c')
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from mfbench.architectures.recurrent import CellMixer
from mfbench.architectures.registry import register


@register
class LSTM(CellMixer):
    """Hidden and cell state of `width` units each; the hidden state is the output."""

    states = 2

    def __init__(self, width: int, layer: int, length: int, *, forget_bias: float = 1.0) -> None:
        super().__init__(nn.LSTM(width, width, batch_first=True))
        _, _, b, c = self.weights()
        forget = slice(width, 2 * width)  # gates in the order i, f, g, o
        with torch.no_grad():
            b[forget], c[forget] = forget_bias, 0.0

    def forward(self, u: Tensor) -> Tensor:
        return self.cell(u)[0]  # (B, T, C)

    def initial_state(self, batch: int) -> tuple[Tensor, Tensor]:
        return self.zeros(batch), self.zeros(batch)

    def step(self, u: Tensor, state: tuple[Tensor, Tensor]) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        W, U, b, bias = self.weights()
        h, c = state  # (B, C)
        i, f, g, o = (u @ W.T + b + h @ U.T + bias).chunk(4, -1)
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        h = torch.sigmoid(o) * torch.tanh(c)
        return h, (h, c)
