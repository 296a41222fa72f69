"""Elman recurrent network: Elman, Finding structure in time (1990), doi 10.1207/s15516709cog1402_1

h_t = tanh(W u_t + b + U h_{t-1} + c), initialised as torch.nn.RNN

With the identity instead of tanh, and without biases, it is the linear network of Li, Han, E & Li
(2020), arXiv 2009.07799. U may start orthogonal (Saxe, McClelland & Ganguli 2013, arXiv 1312.6120)
or as the identity (Le, Jaitly & Hinton 2015, arXiv 1504.00941, there with relu).

State: width
Oracle: torch.nn.RNN
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from mfbench.models.mixer import RecurrentMixer
from mfbench.models.registry import register
from mfbench.models.scans.elman import elman_scan


@register
class RNN(RecurrentMixer):
    """The hidden state of `width` units is also the output."""

    def __init__(
        self,
        width: int,
        layer: int,
        length: int,
        *,
        nonlinearity: Literal["tanh", "identity"] = "tanh",
        recurrent: Literal["uniform", "orthogonal", "identity"] = "uniform",
    ) -> None:
        super().__init__()
        self.nonlinearity = nonlinearity
        bound = width**-0.5
        self.W = nn.Parameter(torch.empty(width, width).uniform_(-bound, bound))  # (C, C)
        self.U = nn.Parameter(torch.empty(width, width).uniform_(-bound, bound))  # (C, C)
        if recurrent == "orthogonal":
            nn.init.orthogonal_(self.U)
        if recurrent == "identity":
            nn.init.eye_(self.U)
        if not self.linear:
            self.b = nn.Parameter(torch.empty(width).uniform_(-bound, bound))  # (C,)
            self.c = nn.Parameter(torch.empty(width).uniform_(-bound, bound))  # (C,)

    @property
    def linear(self) -> bool:
        return self.nonlinearity == "identity"

    @property
    def state_size(self) -> int:
        return len(self.U)

    def bias(self) -> Tensor | None:
        """The sum of both biases, (C,)."""
        return None if self.linear else self.b + self.c

    def forward(self, u: Tensor) -> Tensor:
        return elman_scan(u, self.W, self.U, self.bias(), linear=self.linear)  # (B, T, C)

    def initial_state(self, batch: int) -> Tensor:
        return self.U.new_zeros(batch, len(self.U))

    def step(self, u: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        v = nn.functional.linear(u, self.W, self.bias()) + state @ self.U.T  # (B, C)
        h = v if self.linear else torch.tanh(v)
        return h, h
