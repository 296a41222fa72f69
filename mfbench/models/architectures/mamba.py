"""Mamba, a selective state-space model: Gu & Dao (2023), arXiv 2312.00752

The block of figure 3. With (x, z) = W_in u and x <- silu(conv(x)), each channel of x has N states:
h_t = exp(Delta_t A) h_{t-1} + Delta_t B_t x_t,  y_t = C_t h_t + D x_t  (algorithm 2)
Delta = softplus(W_Delta W_low x + b), B = W_B x, C = W_C x,  output W_out (y silu(z))

Outside of the mixer: the norm and residual of a stack (`norm: rms`, `residual: true`).

State: expansion width (state + kernel_size - 1)
Oracle: mambapy
"""

from __future__ import annotations

import math

import torch
from pydantic import PositiveFloat, PositiveInt
from torch import Tensor, nn
from torch.nn import functional as F

from mfbench.models.convolution import short_convolution
from mfbench.models.mixer import RecurrentMixer
from mfbench.models.registry import register
from mfbench.models.scans.time_varying import time_varying_scan


@register
class Mamba(RecurrentMixer):
    """`expansion` times as many inner channels E as channels, with `state` numbers N each.

    A starts at -1, ..., -N (section 3.6), Delta log-uniform in [dt_min, dt_max] at x = 0, D at 1.
    The rank R of Delta is width/16 and the sizes are the defaults of the authors' code.
    """

    def __init__(
        self,
        width: int,
        layer: int,
        length: int,
        *,
        state: PositiveInt = 16,
        expansion: PositiveInt = 2,
        kernel_size: PositiveInt = 4,
        dt_min: PositiveFloat = 0.001,
        dt_max: PositiveFloat = 0.1,
    ) -> None:
        super().__init__()
        if not 0 < dt_min <= dt_max:
            raise ValueError(f"0 < dt_min <= dt_max must hold: they are {dt_min} and {dt_max}")
        E, N, R = expansion * width, state, math.ceil(width / 16)
        self.sizes = (R, N, N)
        self.W_in = nn.Linear(width, 2 * E, bias=False)
        bound = kernel_size**-0.5  # as torch.nn.Conv1d
        self.taps = nn.Parameter(torch.empty(kernel_size, E).uniform_(-bound, bound))  # (J, E)
        self.taps_bias = nn.Parameter(torch.empty(E).uniform_(-bound, bound))  # (E,)
        self.W_x = nn.Linear(E, R + 2 * N, bias=False)  # W_low, W_B and W_C
        self.W_Delta = nn.Linear(R, E)
        dt = torch.exp(torch.rand(E) * math.log(dt_max / dt_min) + math.log(dt_min))
        with torch.no_grad():
            self.W_Delta.weight.uniform_(-(R**-0.5), R**-0.5)
            self.W_Delta.bias.copy_(dt + torch.log(-torch.expm1(-dt)))  # the inverse of softplus
        self.log_A = nn.Parameter(torch.log(torch.arange(1.0, N + 1).repeat(E, 1)))  # (E, N)
        self.D = nn.Parameter(torch.ones(E))  # (E,)
        self.W_out = nn.Linear(E, width, bias=False)

    @property
    def state_size(self) -> int:
        return self.log_A.numel() + self.taps[1:].numel()

    def ssm_parameters(self) -> tuple[nn.Parameter, ...]:
        return (self.log_A,)

    def select(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """exp(Delta A) and Delta B x, both (..., E, N), and C, (..., N)."""
        low, B, C = self.W_x(x).split(self.sizes, -1)
        Delta = F.softplus(self.W_Delta(low))  # (..., E)
        decay = torch.exp(Delta[..., None] * -torch.exp(self.log_A))
        return decay, (Delta * x)[..., None] * B[..., None, :], C

    def read(self, h: Tensor, C: Tensor, x: Tensor, z: Tensor) -> Tensor:
        """W_out ((C h + D x) silu(z)), with h (..., E, N)."""
        y = (h @ C[..., None]).squeeze(-1) + self.D * x  # (..., E)
        return self.W_out(y * F.silu(z))

    def forward(self, u: Tensor) -> Tensor:
        x, z = self.W_in(u).chunk(2, -1)  # (B, T, E)
        x = F.silu(short_convolution(x, self.taps) + self.taps_bias)
        decay, drive, C = self.select(x)
        h = time_varying_scan(decay.flatten(-2), drive.flatten(-2))  # (B, T, E N)
        return self.read(h.view_as(decay), C, x, z)  # (B, T, C)

    def initial_state(self, batch: int) -> tuple[Tensor, Tensor]:
        past = torch.zeros_like(self.taps[1:]).expand(batch, -1, -1)  # (B, J - 1, E), latest first
        return past, torch.zeros_like(self.log_A).expand(batch, -1, -1)

    def step(self, u: Tensor, state: tuple[Tensor, Tensor]) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        past, h = state
        x, z = self.W_in(u).chunk(2, -1)  # (B, E)
        seen = torch.cat((x[:, None], past), 1)  # (B, J, E)
        x = F.silu((self.taps * seen).sum(1) + self.taps_bias)
        decay, drive, C = self.select(x)
        h = decay * h + drive  # (B, E, N)
        return self.read(h, C, x, z), (seen[:, :-1], h)
