"""Gated DeltaNet: Yang, Kautz & Hatamizadeh (2025), arXiv 2412.06464

q_t, k_t = L2Norm(silu(conv(W x_t))),  v_t = silu(conv(W_V x_t))
alpha_t = exp(-A softplus(W_a x_t + b)),  beta_t = sigmoid(W_b x_t)
S_t = S_{t-1} alpha_t (I - beta_t k_t k_t') + beta_t v_t k_t'
y_t = W_O (silu(W_G x_t) RMSNorm(S_t q_t))

Outside of the mixer: the norm and residual of a stack (`norm: rms`, `residual: true`) and the
feed-forward sublayer.

State: d_k d_v / heads + (kernel_size - 1) (2 d_k + d_v), d_k = 3/4 width up to heads, d_v = 2 d_k
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
class GatedDeltaNet(RecurrentMixer):
    """The block of figure 1, with 3/4 width keys over all heads and twice as many values.

    Sizes of keys and values, convolutions of 4 taps, and how A and b start are from the authors'
    code (flash-linear-attention), which has heads of 256 keys. Its factor d_k^(-1/2) on queries is
    left out, because the norm undoes it. Other weights start as nn.Linear; the authors draw them
    with a standard deviation of 0.02, for widths of 1,000 and more.
    """

    def __init__(
        self,
        width: int,
        layer: int,
        length: int,
        *,
        heads: PositiveInt = 2,
        kernel_size: PositiveInt = 4,
    ) -> None:
        super().__init__()
        self.heads, self.K = heads, math.ceil(0.75 * width / heads)
        keys, values = heads * self.K, 2 * heads * self.K
        self.W_QKV = nn.Linear(width, 2 * keys + values, bias=False)
        self.convolution = ShortConvolution(2 * keys + values, kernel_size, bias=False)
        self.W_a = nn.Linear(width, heads, bias=False)
        self.W_b = nn.Linear(width, heads, bias=False)
        self.W_G = nn.Linear(width, values, bias=False)
        self.W_O = nn.Linear(values, width, bias=False)
        self.head_norm = nn.RMSNorm(2 * self.K, eps=1e-5)
        self.log_A = nn.Parameter(torch.log(torch.empty(heads).uniform_(0, 16)))  # (H,)
        dt = torch.exp(torch.empty(heads).uniform_(math.log(0.001), math.log(0.1)))
        self.b = nn.Parameter(dt + torch.log(-torch.expm1(-dt)))  # softplus(b) = dt

    @property
    def state_size(self) -> int:
        return 2 * self.heads * self.K**2 + self.convolution.state_size

    def project(self, qkv: Tensor, u: Tensor) -> tuple[Tensor, ...]:
        """What the scan needs of each head, from W_QKV u after the convolution and from u."""
        heads = F.silu(qkv).unflatten(-1, (-1, self.K))  # (..., 4H, K): q, k and v
        q, k, v = heads.split((self.heads, self.heads, 2 * self.heads), -2)
        q, k = (x * torch.rsqrt(x.square().sum(-1, keepdim=True) + 1e-6) for x in (q, k))
        v = v.reshape(*k.shape[:-1], 2 * self.K)
        log_alpha = -torch.exp(self.log_A) * F.softplus(self.W_a(u) + self.b)  # (..., H)
        beta = torch.sigmoid(self.W_b(u))[..., None]  # (..., H, 1)
        removed = -torch.exp(log_alpha)[..., None] * beta * k
        return q, k, beta * v, log_alpha[..., None], removed, k

    def read(self, o: Tensor, u: Tensor) -> Tensor:
        """W_O (silu(W_G u) RMSNorm(o)), (..., H, V) and (..., C) -> (..., C)."""
        return self.W_O(F.silu(self.W_G(u)) * self.head_norm(o).flatten(-2))

    def forward(self, u: Tensor) -> Tensor:
        qkv = self.convolution(self.W_QKV(u))
        return self.read(matrix_state_scan(*self.project(qkv, u)), u)  # (B, T, C)

    def initial_state(self, batch: int) -> State:
        S = self.b.new_zeros(batch, self.heads, 2 * self.K, self.K)
        return S, self.convolution.initial_state(batch)

    def step(self, u: Tensor, state: State) -> tuple[Tensor, State]:
        S, past = state
        qkv, past = self.convolution.step(self.W_QKV(u), past)
        o, S = matrix_state_step(S, *self.project(qkv, u))
        return self.read(o, u), (S, past)
