"""mLSTM, the LSTM with a matrix memory: Beck et al. (2024), arXiv 2405.04517

C_t = f_t C_{t-1} + i_t v_t k_t',  n_t = f_t n_{t-1} + i_t k_t
h_t = GroupNorm(C_t q_t / max(|n_t' q_t|, 1)),  f_t = sigmoid(f~_t),  i_t = exp(i~_t)

The block around it projects up to u and z, and back:
q, k = W silu(conv(u)),  v = W u,  f~, i~ = W (q, k, v) + b,
y = W_down ((h + skip silu(conv(u))) silu(z))

Outside of the mixer: the norm and residual of a stack (`norm: layer`, `residual: true`).

State: heads (d^2 + d + 1) + (kernel_size - 1) expansion width, with d = expansion width / heads
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

State = tuple[Tensor, Tensor, Tensor]


@register
class MLSTM(RecurrentMixer):
    """The block with pre up-projection; its output gate is silu(z).

    The factor of 2, 4 heads, blocks of 4 in the W of q, k and v, 4 taps, the inputs of the gates
    and the initialisation (for one block) are from the authors' code (NX-AI/xlstm).
    """

    def __init__(
        self,
        width: int,
        layer: int,
        length: int,
        *,
        heads: PositiveInt = 4,
        expansion: PositiveInt = 2,
        block_size: PositiveInt = 4,
        kernel_size: PositiveInt = 4,
    ) -> None:
        super().__init__()
        inner = expansion * width
        for name, size in (("heads", heads), ("block_size", block_size)):
            if inner % size:
                raise ValueError(
                    f"expansion * width = {inner} is not a multiple of {name} = {size}"
                )
        self.heads, self.inner = heads, inner
        blocks = (inner // block_size, block_size, block_size)  # (block, out, in)
        self.W_up = nn.Linear(width, 2 * inner, bias=False)
        self.convolution = ShortConvolution(inner, kernel_size, bias=True)
        self.W_q = nn.Parameter(torch.empty(blocks))
        self.W_k = nn.Parameter(torch.empty(blocks))
        self.W_v = nn.Parameter(torch.empty(blocks))
        for W in (self.W_up.weight, self.W_q, self.W_k, self.W_v):
            nn.init.normal_(W, std=math.sqrt(2 / (5 * width)))
        self.W_i = nn.Linear(3 * inner, heads)
        self.W_f = nn.Linear(3 * inner, heads)
        nn.init.zeros_(self.W_i.weight)
        nn.init.zeros_(self.W_f.weight)
        nn.init.normal_(self.W_i.bias, std=0.1)
        with torch.no_grad():
            self.W_f.bias.copy_(torch.linspace(3, 6, heads))
        self.gain = nn.Parameter(torch.ones(inner))  # of the group norm
        self.skip = nn.Parameter(torch.ones(inner))
        self.W_down = nn.Linear(inner, width, bias=False)
        nn.init.normal_(self.W_down.weight, std=2 * width**-0.5)

    @property
    def state_size(self) -> int:
        D = self.inner // self.heads
        return self.heads * ((D + 1) * D + 1) + self.convolution.state_size  # C, n and m

    def project(self, u: Tensor, c: Tensor) -> tuple[Tensor, ...]:
        """q, k, v and a one for n, i~ and log f of each head, from u and c = silu(conv(u))."""
        q, k = _blocks(self.W_q, c), _blocks(self.W_k, c)
        v = _blocks(self.W_v, u)
        qkv = torch.cat((q, k, v), -1)
        i, log_f = self.W_i(qkv), F.logsigmoid(self.W_f(qkv))  # (..., H)
        q, k, v = (each.unflatten(-1, (self.heads, -1)) for each in (q, k, v))  # (..., H, D)
        v = F.pad(v, (0, 1), value=1.0)  # (..., H, D+1)
        return q, k * k.shape[-1] ** -0.5, v, i, log_f

    def read(self, Cn: Tensor, m: Tensor, c: Tensor, z: Tensor) -> Tensor:
        """The output y, from C q and n q, (..., H, D+1), both times exp(-m)."""
        most = torch.maximum(Cn[..., -1:].abs(), torch.exp(-m)[..., None])
        h = Cn[..., :-1] / most
        h = F.layer_norm(h, h.shape[-1:]).flatten(-2) * self.gain
        return self.W_down((h + self.skip * c) * F.silu(z))

    def forward(self, u: Tensor) -> Tensor:
        u, z = self.W_up(u).chunk(2, -1)
        c = F.silu(self.convolution(u))
        q, k, v, i, log_f = self.project(u, c)
        with torch.no_grad():  # the output does not depend on m
            total = log_f.cumsum(1)
            m = total + (i - total).cummax(1).values.clamp(min=0)  # (B, T, H)
            past = F.pad(m, (0, 0, 1, 0))[:, :-1]
        k, log_w = _stabilise(k, i, log_f, past, m)
        return self.read(matrix_state_scan(q, k, v, log_w), m, c, z)  # (B, T, C)

    def initial_state(self, batch: int) -> State:
        D = self.inner // self.heads
        C = self.gain.new_zeros(batch, self.heads, D + 1, D)
        return C, self.gain.new_zeros(batch, self.heads), self.convolution.initial_state(batch)

    def step(self, u: Tensor, state: State) -> tuple[Tensor, State]:
        C, past, inputs = state
        u, z = self.W_up(u).chunk(2, -1)
        c, inputs = self.convolution.step(u, inputs)
        c = F.silu(c)
        q, k, v, i, log_f = self.project(u, c)
        m = torch.maximum(log_f + past, i).detach()  # (B, H)
        k, log_w = _stabilise(k, i, log_f, past, m)
        Cn, C = matrix_state_step(C, q, k, v, log_w)
        return self.read(Cn, m, c, z), (C, m, inputs)


def _stabilise(
    k: Tensor, i: Tensor, log_f: Tensor, past: Tensor, m: Tensor
) -> tuple[Tensor, Tensor]:
    """Keys and log decays of the recurrence times exp(-m), in which nothing exceeds 1.

    m_t = max(log f_t + m_{t-1}, i~_t), equation 15 of the paper.
    """
    return k * torch.exp(i - m)[..., None], (log_f + past - m)[..., None]


def _blocks(W: Tensor, u: Tensor) -> Tensor:
    """A linear map of one block after the other, (..., C) -> (..., C)."""
    return torch.einsum("...gi,goi->...go", u.unflatten(-1, (len(W), -1)), W).flatten(-2)
