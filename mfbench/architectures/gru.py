"""Gated recurrent unit: Cho et al. (2014), arXiv 1406.1078, with the reset gate behind U h.

r = sigmoid(W_r u + U_r h + b_r)
z = sigmoid(W_z u + U_z h + b_z)
n = tanh(W_n u + b_n + r (U_n h + c_n))
h' = (1 - z) n + z h
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from mfbench.architectures.mixer import RecurrentMixer
from mfbench.architectures.registry import register


@register
class GRU(RecurrentMixer):
    """Hidden state of `width` units, which is also the output."""

    def __init__(self, width: int, layer: int, length: int) -> None:
        super().__init__()
        self.cell = nn.GRU(width, width, batch_first=True)

    @property
    def state_size(self) -> int:
        return self.cell.hidden_size

    def forward(self, u: Tensor) -> Tensor:
        return self.cell(u)[0]  # (B, T, C)

    def initial_state(self, batch: int) -> Tensor:
        return self.cell.weight_hh_l0.new_zeros(batch, self.cell.hidden_size)

    def step(self, u: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        h = state  # (B, C)
        Wu = u @ self.cell.weight_ih_l0.T + self.cell.bias_ih_l0  # (B, 3C)
        Uh = h @ self.cell.weight_hh_l0.T + self.cell.bias_hh_l0  # (B, 3C)
        Wu_r, Wu_z, Wu_n = Wu.chunk(3, -1)
        Uh_r, Uh_z, Uh_n = Uh.chunk(3, -1)
        r = torch.sigmoid(Wu_r + Uh_r)
        z = torch.sigmoid(Wu_z + Uh_z)
        n = torch.tanh(Wu_n + r * Uh_n)
        h = (1 - z) * n + z * h
        return h, h
