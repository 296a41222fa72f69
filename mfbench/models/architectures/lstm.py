"""Long short-term memory: Hochreiter & Schmidhuber (1997), doi 10.1162/neco.1997.9.8.1735,
with the forget gate of Gers et al. (2000), doi 10.1162/089976600300015015

i, f, o = sigmoid(W u + b + U h + c),  g = tanh(W u + b + U h + c)
cell' = f cell + i g,  h' = o tanh(cell'), initialised as torch.nn.LSTM except for the forget gate

State: 2 width
Oracle: torch.nn.LSTM
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from mfbench.models.chrono import ChronoSteps, chrono_bias
from mfbench.models.mixer import RecurrentMixer
from mfbench.models.registry import register
from mfbench.models.scans.lstm import lstm_scan


@register
class LSTM(RecurrentMixer):
    """A hidden and a cell state of `width` units each; the hidden state is the output.

    With `chrono` = T_max, forget gates start with time scales up to T_max steps, and input gates
    with the opposite biases (Tallec & Ollivier 2018, arXiv 1804.11188).
    """

    def __init__(
        self,
        width: int,
        layer: int,
        length: int,
        *,
        forget_bias: float = 1.0,
        chrono: ChronoSteps | None = None,
    ) -> None:
        super().__init__()
        bound = width**-0.5
        self.W = nn.Parameter(torch.empty(4 * width, width).uniform_(-bound, bound))  # i, f, g, o
        self.U = nn.Parameter(torch.empty(4 * width, width).uniform_(-bound, bound))
        self.b = nn.Parameter(torch.empty(4 * width).uniform_(-bound, bound))
        self.c = nn.Parameter(torch.empty(4 * width).uniform_(-bound, bound))
        forget = slice(width, 2 * width)
        with torch.no_grad():
            self.b[forget], self.c[forget] = forget_bias, 0.0
            if chrono is not None:
                self.b[forget] = chrono_bias(width, chrono)
                self.b[:width], self.c[:width] = -self.b[forget], 0.0

    @property
    def state_size(self) -> int:
        return 2 * self.U.shape[1]

    def forward(self, u: Tensor) -> Tensor:
        return lstm_scan(u, self.W, self.U, self.b, self.c)  # (B, T, C)

    def initial_state(self, batch: int) -> tuple[Tensor, Tensor]:
        zeros = self.U.new_zeros(batch, self.U.shape[1])
        return zeros, zeros

    def step(self, u: Tensor, state: tuple[Tensor, Tensor]) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        h, cell = state  # (B, C)
        i, f, g, o = (u @ self.W.T + self.b + h @ self.U.T + self.c).chunk(4, -1)
        cell = torch.sigmoid(f) * cell + torch.sigmoid(i) * torch.tanh(g)
        h = torch.sigmoid(o) * torch.tanh(cell)
        return h, (h, cell)
