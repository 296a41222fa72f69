"""StableSSM, a diagonal state-space model with real poles: Wang & Li (2023), arXiv 2311.14495

h_t = diag(lambda) h_{t-1} + B u_t,  y_t = C h_t + D u_t,  lambda = f(w)

The trained parameter is w. The paper asks which f keeps the approximation stable under
perturbations of w, and the gradient bounded, as lambda approaches 1. Its continuous-time maps exp
and softplus are used here with a unit time step; best is its discrete form. The parameterisations
differ only in f and start from the same poles. With an activation, the stack is the paper's
nonlinear model. The authors' code (radarFudan/StableSSM) has these maps for the real parts of the
complex poles of S4D, with best as -1/(w^2 + 0.1) in continuous time.

State: state
Oracle: a plain loop
"""

from __future__ import annotations

import math
from typing import Literal

import torch
from pydantic import PositiveFloat, PositiveInt
from torch import Tensor, nn
from torch.nn import functional as F

from mfbench.models.mixer import RecurrentMixer
from mfbench.models.registry import register
from mfbench.models.scans.diagonal import diagonal_scan


def pole(parameterisation: str, w: Tensor) -> Tensor:
    """The map f from the trained weight to the pole lambda; all but direct stay in [-1, 1)."""
    if parameterisation == "exp":
        return torch.exp(-torch.exp(w))
    if parameterisation == "softplus":
        return torch.exp(-F.softplus(w))
    if parameterisation == "best":
        return 1 - 1 / (w**2 + 0.5)
    return w


def weight(parameterisation: str, pole: Tensor) -> Tensor:
    """The inverse of f for poles in (0, 1); of two solutions, the positive one."""
    if parameterisation == "exp":
        return torch.log(-torch.log(pole))
    if parameterisation == "softplus":
        return torch.log(1 / pole - 1)
    if parameterisation == "best":
        return torch.sqrt(1 / (1 - pole) - 0.5)
    return pole


@register
class StableSSM(RecurrentMixer):
    """`state` real numbers shared by all channels.

    The poles exp(-1/timescale) start with timescales spaced evenly in their logarithm. B is
    initialised so that white input of variance 1 gives every state a variance of 1.
    """

    def __init__(
        self,
        width: int,
        layer: int,
        length: int,
        *,
        state: PositiveInt = 16,
        parameterisation: Literal["direct", "exp", "softplus", "best"] = "best",
        timescale_min: PositiveFloat = 1.0,
        timescale_max: PositiveFloat = 100.0,
    ) -> None:
        super().__init__()
        if not timescale_min <= timescale_max:
            raise ValueError(
                "timescale_min <= timescale_max must hold: "
                f"they are {timescale_min} and {timescale_max}"
            )
        N, H = state, width
        logs = torch.linspace(math.log(timescale_min), math.log(timescale_max), N + 2)[1:-1]
        start = torch.exp(-torch.exp(-logs))  # (N,)
        self.parameterisation = parameterisation
        self.w = nn.Parameter(weight(parameterisation, start))  # (N,)
        gain = torch.sqrt(1 - start**2)[:, None]
        self.B = nn.Parameter(gain * torch.randn(N, H) / math.sqrt(H))  # (N, C)
        self.C = nn.Parameter(torch.randn(H, N) / math.sqrt(N))  # (C, N)
        self.D = nn.Parameter(torch.randn(H))  # (C,)

    @property
    def linear(self) -> bool:
        return True

    @property
    def state_size(self) -> int:
        return self.w.numel()

    def ssm_parameters(self) -> tuple[nn.Parameter, ...]:
        return (self.w,)

    def poles(self) -> Tensor:
        """Lambda, (N,)."""
        return pole(self.parameterisation, self.w)

    def forward(self, u: Tensor) -> Tensor:
        h = diagonal_scan(self.poles(), u @ self.B.T)  # (B, T, N)
        return h @ self.C.T + self.D * u  # (B, T, C)

    def initial_state(self, batch: int) -> Tensor:
        return torch.zeros_like(self.w).expand(batch, -1)

    def step(self, u: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        h = self.poles() * state + u @ self.B.T  # (B, N)
        return h @ self.C.T + self.D * u, h
