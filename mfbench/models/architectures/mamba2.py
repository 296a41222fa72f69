"""Mamba-2: Dao & Gu (2024), arXiv 2405.21060

z, (x, B, C), dt = W_in u,  (x, B, C) <- silu(conv(x, B, C)),  dt <- softplus(dt + b)
h_t = exp(-dt_t A) h_{t-1} + dt_t x_t B_t',  y_t = h_t C_t + D x_t
o_t = W_out RMSNorm(y_t silu(z_t))

Outside of the mixer: the norm and residual of a stack (`norm: rms`, `residual: true`).

State: expansion width state + (kernel_size - 1) (expansion width + 2 state)
Oracle: the paper's recurrence
"""

from __future__ import annotations

import math

import torch
from pydantic import PositiveInt
from torch import Tensor, nn
from torch.nn import functional as F

from mfbench.models.mixer import RecurrentMixer
from mfbench.models.registry import register
from mfbench.models.scans.matrix_state import matrix_state_scan, matrix_state_step
from mfbench.models.short_convolution import ShortConvolution

State = tuple[Tensor, Tensor]


@register
class Mamba2(RecurrentMixer):
    """The block of section 7 with scalar decays per head; B and C are shared by all heads.

    Twice as many inner channels as the width, convolutions of 4 taps and initialisation are from
    the authors' code, which has a state of 128 for each channel and heads of 64 channels.
    """

    def __init__(
        self,
        width: int,
        layer: int,
        length: int,
        *,
        state: PositiveInt = 16,
        heads: PositiveInt = 4,
        expansion: PositiveInt = 2,
        kernel_size: PositiveInt = 4,
    ) -> None:
        super().__init__()
        inner = expansion * width
        if inner % heads:
            raise ValueError(f"expansion * width = {inner} is not a multiple of heads = {heads}")
        self.N, self.inner, self.heads = state, inner, heads
        self.W_in = nn.Linear(width, 2 * inner + 2 * state + heads, bias=False)
        self.convolution = ShortConvolution(inner + 2 * state, kernel_size, bias=True)
        dt = torch.exp(torch.empty(heads).uniform_(math.log(0.001), math.log(0.1)))
        self.b = nn.Parameter(dt + torch.log(-torch.expm1(-dt)))  # (H,), softplus(b) = dt
        self.log_A = nn.Parameter(torch.log(torch.empty(heads).uniform_(1, 16)))  # (H,)
        self.D = nn.Parameter(torch.ones(heads))  # (H,)
        self.gated_norm = nn.RMSNorm(inner, eps=1e-5)
        self.W_out = nn.Linear(inner, width, bias=False)

    @property
    def state_size(self) -> int:
        return self.inner * self.N + self.convolution.state_size

    def split(self, u: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """z, (x, B, C) and dt, (..., C) -> (..., .)."""
        z, xBC, dt = self.W_in(u).split((self.inner, self.inner + 2 * self.N, self.heads), -1)
        return z, xBC, F.softplus(dt + self.b)

    def project(self, xBC: Tensor, dt: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """C, B, x and log decay of each head, (..., H, .)."""
        x, B, C = F.silu(xBC).split((self.inner, self.N, self.N), -1)
        x = x.unflatten(-1, (self.heads, -1))  # (..., H, P)
        B, C = (s[..., None, :].expand(*x.shape[:-1], self.N) for s in (B, C))
        return C, B, x, (-torch.exp(self.log_A) * dt)[..., None]

    def read(self, y: Tensor, x: Tensor, z: Tensor) -> Tensor:
        """W_out RMSNorm((y + D x) silu(z)), (..., H, P) twice and (..., inner) -> (..., C)."""
        y = (y + self.D[:, None] * x).flatten(-2)
        return self.W_out(self.gated_norm(y * F.silu(z)))

    def forward(self, u: Tensor) -> Tensor:
        z, xBC, dt = self.split(u)
        C, B, x, log_w = self.project(self.convolution(xBC), dt)
        y = matrix_state_scan(C, B, dt[..., None] * x, log_w)
        return self.read(y, x, z)  # (B, T, C)

    def initial_state(self, batch: int) -> State:
        h = self.D.new_zeros(batch, self.heads, self.inner // self.heads, self.N)
        return h, self.convolution.initial_state(batch)

    def step(self, u: Tensor, state: State) -> tuple[Tensor, State]:
        h, past = state
        z, xBC, dt = self.split(u)
        xBC, past = self.convolution.step(xBC, past)
        C, B, x, log_w = self.project(xBC, dt)
        y, h = matrix_state_step(h, C, B, dt[..., None] * x, log_w)
        return self.read(y, x, z), (h, past)
