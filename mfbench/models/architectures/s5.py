"""S5, one state space for all channels: Smith, Warrington & Linderman (2022), arXiv 2208.04933

x' = diag(Lambda) x + B u,  y = 2 Re(C x) + D u, discretised by zero-order hold:
x_t = diag(Lambda_bar) x_{t-1} + B_bar u_t,  Lambda_bar = exp(Lambda Delta),
B_bar = Lambda^-1 (Lambda_bar - I) B

Outside of the mixer: dropout, the norm and the gate of the paper's layer (gelu alone stands for
gelu and gate).

State: state
Oracle: s5-pytorch
"""

from __future__ import annotations

import math

import numpy as np
import torch
from pydantic import PositiveFloat, PositiveInt
from torch import Tensor, nn

from mfbench.models.mixer import RecurrentMixer
from mfbench.models.registry import register
from mfbench.models.scans.diagonal import diagonal_scan

SLOWEST = -1e-4  # the real part of Lambda stays below: an option, clip_eigs, in the authors' code


def hippo_n(N: int) -> tuple[np.ndarray, np.ndarray]:
    """Eigenvalues of the normal part of HiPPO-LegS with positive imaginary part, and eigenvectors.

    The matrix is -1/2 plus a skew-symmetric one.

    Parameters
    ----------
    N : int
        Size of the matrix, even.

    Returns
    -------
    (N/2,) and (N, N/2) complex ndarrays
    """
    p = np.sqrt(2 * np.arange(N) + 1)
    below = np.tril(np.outer(p, p), -1) / 2
    imag, V = np.linalg.eigh(-1j * (below.T - below))
    return -0.5 + 1j * imag[N // 2 :], V[:, N // 2 :]


@register
class S5(RecurrentMixer):
    """`state` real numbers, as state/2 conjugate pairs, shared by all channels.

    Lambda starts with `blocks` copies of the spectrum of HiPPO-N. B and C start as V^-1 B and C V
    for normal real B and complex C, where V has its eigenvectors, and D is normal. All of this and
    the range of time steps are as in the authors' code (lindermanlab/S5, ssm.py), which truncates
    the normal distributions of B and C and has a state of 256 in 8 blocks.
    """

    activation = "gelu"

    def __init__(
        self,
        width: int,
        layer: int,
        length: int,
        *,
        state: PositiveInt = 16,
        blocks: PositiveInt = 1,
        dt_min: PositiveFloat = 0.001,
        dt_max: PositiveFloat = 0.1,
    ) -> None:
        super().__init__()
        if state % (2 * blocks):
            raise ValueError(f"state = {state} is not a multiple of 2 x blocks = {2 * blocks}")
        if not 0 < dt_min <= dt_max:
            raise ValueError(f"0 < dt_min <= dt_max must hold: they are {dt_min} and {dt_max}")
        N, H = state, width
        spectrum, vectors = hippo_n(N // blocks)
        Lambda = torch.from_numpy(np.tile(spectrum, blocks))  # (N/2,)
        V = torch.from_numpy(np.kron(np.eye(blocks), vectors))  # (N, N/2)
        B = V.mH @ (torch.randn(N, H) / math.sqrt(N)).to(V)  # (N/2, C)
        C = torch.view_as_complex(torch.randn(H, N, 2) / math.sqrt(N)).to(V) @ V  # (C, N/2)
        log_Delta = torch.rand(N // 2) * math.log(dt_max / dt_min) + math.log(dt_min)
        real = torch.get_default_dtype()
        self.Lambda_re = nn.Parameter(Lambda.real.to(real, copy=True))  # (N/2,)
        self.Lambda_im = nn.Parameter(Lambda.imag.to(real, copy=True))  # (N/2,)
        self.B = nn.Parameter(torch.view_as_real(B).to(real))  # (N/2, C, re/im)
        self.C = nn.Parameter(torch.view_as_real(C).to(real))  # (C, N/2, re/im)
        self.D = nn.Parameter(torch.randn(H))  # (C,)
        self.log_Delta = nn.Parameter(log_Delta)  # (N/2,)

    @property
    def linear(self) -> bool:
        return True

    @property
    def state_size(self) -> int:
        return 2 * self.log_Delta.numel()

    def ssm_parameters(self) -> tuple[nn.Parameter, ...]:
        return (self.Lambda_re, self.Lambda_im, self.log_Delta)

    def discretise(self) -> tuple[Tensor, Tensor]:
        """Lambda_bar (N/2,) and B_bar (N/2, C), both complex."""
        Lambda = torch.complex(self.Lambda_re.clamp(max=SLOWEST), self.Lambda_im)
        exponent = Lambda * torch.exp(self.log_Delta)
        gain = torch.expm1(exponent) / Lambda
        return torch.exp(exponent), gain[:, None] * torch.view_as_complex(self.B)

    def drive(self, u: Tensor, B_bar: Tensor) -> Tensor:
        """B_bar u, (..., C) -> (..., N/2) complex."""
        return torch.complex(u @ B_bar.real.T, u @ B_bar.imag.T)

    def read(self, x: Tensor, u: Tensor) -> Tensor:
        """2 Re(C x) + D u, (..., N/2) and (..., C) -> (..., C)."""
        re, im = self.C.unbind(-1)
        return 2 * (x.real @ re.T - x.imag @ im.T) + self.D * u

    def forward(self, u: Tensor) -> Tensor:
        Lambda_bar, B_bar = self.discretise()
        x = diagonal_scan(Lambda_bar, self.drive(u, B_bar))  # (B, T, N/2)
        return self.read(x, u)  # (B, T, C)

    def initial_state(self, batch: int) -> Tensor:
        return torch.zeros_like(self.discretise()[0]).expand(batch, -1)

    def step(self, u: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        Lambda_bar, B_bar = self.discretise()
        x = Lambda_bar * state + self.drive(u, B_bar)  # (B, N/2)
        return self.read(x, u), x
