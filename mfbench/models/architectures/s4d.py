"""S4D, the diagonal state-space model: Gu, Gupta, Goel & Re (2022), arXiv 2206.11893

Each channel is a single-input single-output system x' = A x + B u, y = 2 Re(C x) + D u with
diagonal complex A, discretised by zero-order hold; W mixes the channels.

Outside of the mixer: dropout, the norm and the gated linear unit that follows gelu in the authors'
code (state-spaces/s4, s4d.py). Here, W replaces that unit and comes before gelu.

State: width state
Oracle: the zero-order hold of its continuous system (scipy)
"""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
import torch
from pydantic import PositiveFloat, PositiveInt
from torch import Tensor, nn

from mfbench.models.convolution import causal_convolution
from mfbench.models.mixer import RecurrentMixer
from mfbench.models.registry import register


def initial_poles(name: str, N: int) -> np.ndarray:
    """The N/2 poles A with non-negative imaginary part, by the names of the paper; complex128."""
    n = np.arange(N // 2)
    if name == "lin":
        return -0.5 + 1j * np.pi * n
    if name == "inv":
        return -0.5 + 1j * N / np.pi * (N / (2 * n + 1) - 1)
    if name == "real":
        return -(n + 1) + 0j
    # legs: the normal part of HiPPO-LegS is -1/2 plus a skew-symmetric matrix.
    p = np.sqrt(2 * np.arange(N) + 1)
    S = np.tril(np.outer(p, p), -1) / 2
    imag = np.sort(np.linalg.eigvalsh(-1j * (S.T - S)))
    return -0.5 + 1j * imag[N // 2 :]


@register
class S4D(RecurrentMixer):
    """`state` real numbers per channel, as state/2 conjugate pairs; 64 in the authors' code.

    The distributions of C, D and dt are those of that code, and so is the default for A.
    """

    activation = "gelu"

    def __init__(
        self,
        width: int,
        layer: int,
        length: int,
        *,
        state: PositiveInt = 16,
        init: Literal["lin", "inv", "legs", "real"] = "lin",
        dt_min: PositiveFloat = 0.001,
        dt_max: PositiveFloat = 0.1,
    ) -> None:
        super().__init__()
        if state < 2 or state % 2:
            raise ValueError(f"state = {state} must be an even number, 2 or more")
        if not 0 < dt_min <= dt_max:
            raise ValueError(f"0 < dt_min <= dt_max must hold: they are {dt_min} and {dt_max}")
        A = torch.from_numpy(initial_poles(init, state)).expand(width, -1)
        log_dt = torch.rand(width) * math.log(dt_max / dt_min) + math.log(dt_min)
        real = torch.get_default_dtype()
        self.log_dt = nn.Parameter(log_dt)  # (C,)
        self.log_A_real = nn.Parameter(torch.log(-A.real).to(real))  # (C, N/2)
        self.A_imag = nn.Parameter(A.imag.to(real, copy=True))  # (C, N/2)
        self.C = nn.Parameter(torch.randn(width, state // 2, 2) * 0.5**0.5)  # (C, N/2, re/im)
        self.D = nn.Parameter(torch.randn(width))  # (C,)
        self.W = nn.Linear(width, width, bias=False)

    @property
    def linear(self) -> bool:
        return True

    @property
    def state_size(self) -> int:
        return 2 * self.A_imag.numel()

    def ssm_parameters(self) -> tuple[nn.Parameter, ...]:
        return (self.log_dt, self.log_A_real, self.A_imag)

    def discretise(self) -> tuple[Tensor, Tensor]:
        """Zero-order hold with B = 1: the exponent dt A and B_bar C, both (C, N/2) complex."""
        A = torch.complex(-torch.exp(self.log_A_real), self.A_imag)
        dtA = torch.exp(self.log_dt)[:, None] * A
        C = torch.complex(self.C[..., 0], self.C[..., 1])
        return dtA, C * torch.expm1(dtA) / A

    def kernel(self, T: int) -> Tensor:
        """The convolution kernel K_t = 2 Re sum_n C_n B_n exp(t dt A_n), with D at lag 0: (C, T).

        With t = r I + i, the exponential is a product of two, and the sum over n becomes a product
        of two small matrices.
        """
        dtA, CB = self.discretise()
        I = math.isqrt(T - 1) + 1  # noqa: E741
        t = torch.arange(I, device=dtA.device, dtype=self.A_imag.dtype)
        fine = CB[..., None] * torch.exp(dtA[..., None] * t)  # (C, N/2, I)
        coarse = torch.exp(dtA[..., None] * (I * t))  # (C, N/2, I)
        fine, coarse = (
            torch.cat((fine.real, -fine.imag), -2),  # (C, N, I)
            torch.cat((coarse.real, coarse.imag), -2),
        )
        K = 2 * (coarse.mT @ fine).flatten(-2)[:, :T]  # (C, T)
        return torch.cat((K[:, :1] + self.D[:, None], K[:, 1:]), -1)

    def forward(self, u: Tensor) -> Tensor:
        return self.W(causal_convolution(u, self.kernel(u.shape[1])))  # (B, T, C)

    def initial_state(self, batch: int) -> Tensor:
        return torch.zeros_like(self.discretise()[0]).expand(batch, -1, -1)

    def step(self, u: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        dtA, CB = self.discretise()
        state = torch.exp(dtA) * state + u[..., None]  # (B, C, N/2); B_bar is folded into CB
        return self.W(2 * (CB * state).sum(-1).real + self.D * u), state
