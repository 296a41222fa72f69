"""Retentive network: Sun et al. (2023), arXiv 2307.08621

S_n = gamma e^(i theta) S_{n-1} + K_n' V_n,  Y_n = GroupNorm(Q_n S_n),  o_n = W_O (swish(W_G x) Y_n)

Each head has its own fixed gamma, and theta turns pairs of keys, with the angles of RoPE.

Outside of the mixer: the norm and residual of a stack (`norm: layer`, `residual: true`) and the
feed-forward sublayer.

State: 2 width^2 / heads
Oracle: the paper's recurrence
"""

from __future__ import annotations

import torch
from pydantic import PositiveInt
from torch import Tensor, nn
from torch.nn import functional as F

from mfbench.models.mixer import RecurrentMixer
from mfbench.models.positions import rotate, rotations
from mfbench.models.registry import register
from mfbench.models.scans.matrix_state import matrix_state_scan, matrix_state_step


@register
class RetNet(RecurrentMixer):
    """Multi-scale retention, equation 8 of the paper; values are twice as wide (section 3.1).

    The paper has heads of 256 keys. Its normalisations of the scores (section 2.2) are left out,
    because the group norm undoes them. Weights start as in the authors' code (torchscale), which
    has an RMS norm in place of the group norm, and angles that end at 1/10000 exactly.
    """

    log_gamma: Tensor

    def __init__(self, width: int, layer: int, length: int, *, heads: PositiveInt = 2) -> None:
        super().__init__()
        if width % (2 * heads):
            raise ValueError(f"width = {width} must be a multiple of 2 heads = {2 * heads}")
        self.heads = heads
        self.W_Q = nn.Linear(width, width, bias=False)
        self.W_K = nn.Linear(width, width, bias=False)
        self.W_V = nn.Linear(width, 2 * width, bias=False)
        self.W_G = nn.Linear(width, 2 * width, bias=False)
        self.W_O = nn.Linear(2 * width, width, bias=False)
        for W in (self.W_Q, self.W_K, self.W_V, self.W_G):
            nn.init.xavier_uniform_(W.weight, gain=2**-2.5)
        nn.init.xavier_uniform_(self.W_O.weight, gain=2**-1)
        log_gamma = torch.log1p(-(2.0 ** (-5.0 - torch.arange(heads))))[:, None]  # (H, 1)
        self.register_buffer("log_gamma", log_gamma, persistent=False)

    @property
    def state_size(self) -> int:
        return self.W_Q.out_features * self.W_V.out_features // self.heads

    def project(self, u: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Q, K, V and log gamma of each head, (..., C) -> (..., H, .)."""
        Q, K, V = (W(u).unflatten(-1, (self.heads, -1)) for W in (self.W_Q, self.W_K, self.W_V))
        return Q, K, V, self.log_gamma.expand(*Q.shape[:-1], 1)

    def read(self, Y: Tensor, u: Tensor) -> Tensor:
        """W_O (swish(W_G u) GroupNorm(Y)), (..., H, 2D) and (..., C) -> (..., C)."""
        Y = F.layer_norm(Y, Y.shape[-1:], eps=1e-6).flatten(-2)
        return self.W_O(F.silu(self.W_G(u)) * Y)

    def forward(self, u: Tensor) -> Tensor:
        Q, K, V, log_gamma = self.project(u)  # (B, T, H, .)
        turns = rotations(u.shape[1], Q.shape[-1], like=Q)[:, None]  # (T, 1, D/2, 2)
        Y = matrix_state_scan(rotate(Q, turns), rotate(K, turns), V, log_gamma)
        return self.read(Y, u)  # (B, T, C)

    def initial_state(self, batch: int) -> Tensor:
        D = self.W_Q.out_features // self.heads
        return self.W_Q.weight.new_zeros(batch, self.heads, 2 * D, D)

    def step(self, u: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        # The state turns back by one step, so that q and k need no turn and no count of steps.
        back = rotations(2, state.shape[-1], like=state)[1] * state.new_tensor((1.0, -1.0))
        Y, S = matrix_state_step(rotate(state, back), *self.project(u))  # (B, H, 2D, D)
        return self.read(Y, u), S
