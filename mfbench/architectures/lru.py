"""Linear recurrent unit: Orvieto et al. (2023), arXiv 2303.06349

x_t = diag(lambda) x_{t-1} + gamma * (B u_t),  y_t = Re(C x_t) + D u_t
lambda = exp(-exp(nu_log) + i exp(theta_log)), at the start uniform on a ring of the unit disk.
"""

from __future__ import annotations

import math

import torch
from pydantic import NonNegativeFloat, PositiveFloat, PositiveInt
from torch import Tensor, nn

from mfbench.architectures.convolution import causal_convolution
from mfbench.architectures.mixer import RecurrentMixer
from mfbench.architectures.registry import register


@register
class LRU(RecurrentMixer):
    """`state` complex numbers shared by all channels."""

    activation = "gelu"

    def __init__(
        self,
        width: int,
        layer: int,
        length: int,
        *,
        state: PositiveInt = 16,
        r_min: NonNegativeFloat = 0.5,
        r_max: PositiveFloat = 0.99,
        max_phase: PositiveFloat = 6.283185307179586,
    ) -> None:
        super().__init__()
        if not 0 <= r_min < r_max < 1:
            raise ValueError(f"0 <= r_min < r_max < 1 does not hold: {r_min}, {r_max}")
        N, H = state, width
        u_1, u_2 = torch.rand(N), torch.rand(N)
        nu = -0.5 * torch.log(u_1 * (r_max**2 - r_min**2) + r_min**2)
        self.nu_log = nn.Parameter(torch.log(nu))  # (N,)
        self.theta_log = nn.Parameter(torch.log(max_phase * u_2))  # (N,)
        self.gamma_log = nn.Parameter(0.5 * torch.log1p(-torch.exp(-2 * nu)))  # (N,)
        self.B = nn.Parameter(torch.randn(N, H, 2) / math.sqrt(2 * H))  # (N, C, re/im)
        self.C = nn.Parameter(torch.randn(H, N, 2) / math.sqrt(N))  # (C, N, re/im)
        self.D = nn.Parameter(torch.randn(H))  # (C,)

    @property
    def linear(self) -> bool:
        return True

    @property
    def state_size(self) -> int:
        return 2 * self.nu_log.numel()

    def ssm_parameters(self) -> tuple[nn.Parameter, ...]:
        return (self.nu_log, self.theta_log, self.gamma_log)

    def log_lambda(self) -> Tensor:
        """log(lambda), (N,) complex."""
        return torch.complex(-torch.exp(self.nu_log), torch.exp(self.theta_log))

    def drive(self, u: Tensor) -> Tensor:
        """Gamma * (B u), (..., C) -> (..., N) complex."""
        B = torch.exp(self.gamma_log)[:, None, None] * self.B
        return torch.complex(u @ B[..., 0].T, u @ B[..., 1].T)

    def read(self, x: Tensor, u: Tensor) -> Tensor:
        """Re(C x) + D u, (..., N) and (..., C) -> (..., C)."""
        return x.real @ self.C[..., 0].T - x.imag @ self.C[..., 1].T + self.D * u

    def forward(self, u: Tensor) -> Tensor:
        t = torch.arange(u.shape[1], device=u.device, dtype=u.dtype)
        powers = torch.exp(t[:, None] * self.log_lambda())  # (T, N)
        return self.read(causal_convolution(self.drive(u), powers), u)  # (B, T, C)

    def initial_state(self, batch: int) -> Tensor:
        return torch.zeros_like(self.log_lambda()).expand(batch, -1)

    def step(self, u: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        x = torch.exp(self.log_lambda()) * state + self.drive(u)  # (B, N)
        return self.read(x, u), x
