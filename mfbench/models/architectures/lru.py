"""Linear recurrent unit: Orvieto et al. (2023), arXiv 2303.06349

x_t = diag(lambda) x_{t-1} + gamma * (B u_t),  y_t = Re(C x_t) + D u_t
lambda = exp(-exp(nu_log) + i exp(theta_log)), initially uniform on a ring in the unit disk;
gamma = exp(gamma_log), initially (1 - |lambda|^2)^(1/2)

Outside of the mixer: dropout, the norm and the gate of the paper's block (gelu stands for it).

State: 2 state
Oracle: LRU-pytorch
"""

from __future__ import annotations

import math

import torch
from pydantic import NonNegativeFloat, PositiveFloat, PositiveInt
from torch import Tensor, nn

from mfbench.models.mixer import RecurrentMixer
from mfbench.models.registry import register
from mfbench.models.scans.diagonal import diagonal_scan


@register
class LRU(RecurrentMixer):
    """`state` complex numbers shared by all channels.

    All starts as in the paper's listing, but there the default ring has radii from 0 to 1.
    """

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
            raise ValueError(f"0 <= r_min < r_max < 1 must hold: they are {r_min} and {r_max}")
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

    def lambda_(self) -> Tensor:
        """The poles, (N,) complex."""
        return torch.exp(torch.complex(-torch.exp(self.nu_log), torch.exp(self.theta_log)))

    def drive(self, u: Tensor) -> Tensor:
        """Gamma * (B u), (..., C) -> (..., N) complex."""
        B = torch.exp(self.gamma_log)[:, None, None] * self.B
        Bu = u @ B.transpose(1, 2).flatten(0, 1).T  # (..., 2N), real and imaginary parts in turn
        return torch.view_as_complex(Bu.unflatten(-1, (-1, 2)))

    def read(self, x: Tensor, u: Tensor) -> Tensor:
        """Re(C x) + D u, (..., N) and (..., C) -> (..., C)."""
        C = torch.stack((self.C[..., 0], -self.C[..., 1]), -1).flatten(-2)  # (C, 2N)
        return torch.view_as_real(x).flatten(-2) @ C.T + self.D * u

    def forward(self, u: Tensor) -> Tensor:
        return self.read(diagonal_scan(self.lambda_(), self.drive(u)), u)  # (B, T, C)

    def initial_state(self, batch: int) -> Tensor:
        return torch.zeros_like(self.lambda_()).expand(batch, -1)

    def step(self, u: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        x = self.lambda_() * state + self.drive(u)  # (B, N)
        return self.read(x, u), x
