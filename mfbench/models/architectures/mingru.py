"""minGRU, a gated recurrent unit without h in its gates: Feng et al. (2024), arXiv 2410.01201

z_t = sigmoid(W_z u_t),  n_t = g(W_h u_t),  h_t = (1 - z_t) h_{t-1} + z_t n_t
g(x) = x + 1/2 if x >= 0, else sigmoid(x): it keeps h positive (appendix B.3)

Outside of the mixer: the norm, the short convolution and the feed-forward layer of its language
model, and the logarithms of appendix B, which the scan does not need.

State: expansion width
Oracle: minGRU-pytorch
"""

from __future__ import annotations

import torch
from pydantic import PositiveInt
from torch import Tensor, nn

from mfbench.models.mixer import RecurrentMixer
from mfbench.models.registry import register
from mfbench.models.scans.time_varying import time_varying_scan


def g(x: Tensor) -> Tensor:
    """A positive, continuous, increasing function."""
    return torch.where(x >= 0, x + 0.5, torch.sigmoid(x))


@register
class MinGRU(RecurrentMixer):
    """`expansion` times as many hidden units as channels.

    One layer's gate sees the present input alone; the paper stacks layers. There are no biases, as
    in minGRU-pytorch.
    """

    def __init__(self, width: int, layer: int, length: int, *, expansion: PositiveInt = 1) -> None:
        super().__init__()
        self.W_z = nn.Linear(width, expansion * width, bias=False)
        self.W_h = nn.Linear(width, expansion * width, bias=False)
        self.W_out = (
            nn.Identity() if expansion == 1 else nn.Linear(expansion * width, width, bias=False)
        )

    @property
    def state_size(self) -> int:
        return self.W_z.out_features

    def forward(self, u: Tensor) -> Tensor:
        z = self.W_z(u)  # (B, T, N)
        h = time_varying_scan(torch.sigmoid(-z), torch.sigmoid(z) * g(self.W_h(u)))  # (B, T, N)
        return self.W_out(h)  # (B, T, C)

    def initial_state(self, batch: int) -> Tensor:
        return self.W_z.weight.new_zeros(batch, self.state_size)

    def step(self, u: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        z = torch.sigmoid(self.W_z(u))  # (B, N)
        h = (1 - z) * state + z * g(self.W_h(u))
        return self.W_out(h), h
