"""Gated recurrent unit: Cho et al. (2014), arXiv 1406.1078, with the reset gate applied after U h.

r = sigmoid(W_r u + b_r + U_r h + c_r)
z = sigmoid(W_z u + b_z + U_z h + c_z)
n = tanh(W_n u + b_n + r (U_n h + c_n))
h' = (1 - z) n + z h, initialised as torch.nn.GRU

State: width
Oracle: torch.nn.GRU
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from mfbench.models.chrono import ChronoSteps, chrono_bias
from mfbench.models.mixer import RecurrentMixer
from mfbench.models.registry import register
from mfbench.models.scans.gru import gru_scan


@register
class GRU(RecurrentMixer):
    """The hidden state of `width` units is also the output.

    With `chrono` = T_max, the gates z start with time scales up to T_max steps (Tallec & Ollivier
    2018, arXiv 1804.11188).
    """

    def __init__(
        self, width: int, layer: int, length: int, *, chrono: ChronoSteps | None = None
    ) -> None:
        super().__init__()
        bound = width**-0.5
        self.W = nn.Parameter(torch.empty(3 * width, width).uniform_(-bound, bound))  # r, z, n
        self.U = nn.Parameter(torch.empty(3 * width, width).uniform_(-bound, bound))
        self.b = nn.Parameter(torch.empty(3 * width).uniform_(-bound, bound))
        self.c = nn.Parameter(torch.empty(3 * width).uniform_(-bound, bound))
        if chrono is not None:
            keep = slice(width, 2 * width)
            with torch.no_grad():
                self.b[keep], self.c[keep] = chrono_bias(width, chrono), 0.0

    @property
    def state_size(self) -> int:
        return self.U.shape[1]

    def forward(self, u: Tensor) -> Tensor:
        return gru_scan(u, self.W, self.U, self.b, self.c)  # (B, T, C)

    def initial_state(self, batch: int) -> Tensor:
        return self.U.new_zeros(batch, self.state_size)

    def step(self, u: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        h = state  # (B, C)
        Wu_r, Wu_z, Wu_n = (u @ self.W.T + self.b).chunk(3, -1)
        Uh_r, Uh_z, Uh_n = (h @ self.U.T + self.c).chunk(3, -1)
        r = torch.sigmoid(Wu_r + Uh_r)
        z = torch.sigmoid(Wu_z + Uh_z)
        n = torch.tanh(Wu_n + r * Uh_n)
        h = (1 - z) * n + z * h
        return h, h
