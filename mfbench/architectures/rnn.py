"""Elman recurrent network: Elman, Finding structure in time (1990), doi 10.1207/s15516709cog1402_1

h_t = tanh(W u_t + U h_{t-1} + b)
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from mfbench.architectures.mixer import RecurrentMixer
from mfbench.architectures.registry import register


@register
class RNN(RecurrentMixer):
    """Hidden state of `width` units, which is also the output."""

    def __init__(self, width: int, layer: int, length: int) -> None:
        super().__init__()
        self.cell = nn.RNN(width, width, batch_first=True)

    @property
    def state_size(self) -> int:
        return self.cell.hidden_size

    def forward(self, u: Tensor) -> Tensor:
        return self.cell(u)[0]  # (B, T, C)

    def initial_state(self, batch: int) -> Tensor:
        return self.cell.weight_hh_l0.new_zeros(batch, self.cell.hidden_size)

    def step(self, u: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        W, U = self.cell.weight_ih_l0, self.cell.weight_hh_l0  # (C, C)
        b = self.cell.bias_ih_l0 + self.cell.bias_hh_l0  # (C,)
        h = torch.tanh(u @ W.T + state @ U.T + b)  # (B, C)
        return h, h
