"""Gated linear attention: Yang et al. (2024), arXiv 2312.06635

alpha_t = sigmoid(W_2 W_1 x_t + b_alpha)^(1/16)
S_t = diag(alpha_t) S_{t-1} + k_t' v_t
y_t = W_O (swish(W_r x_t + b_r) LayerNorm(q_t S_t))

Outside of the mixer: the norm and residual of a stack (`norm: layer`, `residual: true`) and the
feed-forward sublayer.

State: width^2 / (2 heads)
Oracle: the paper's recurrence
"""

from __future__ import annotations

from pydantic import PositiveFloat, PositiveInt
from torch import Tensor, nn
from torch.nn import functional as F

from mfbench.models.mixer import RecurrentMixer
from mfbench.models.registry import register
from mfbench.models.scans.matrix_state import matrix_state_scan, matrix_state_step


@register
class GLA(RecurrentMixer):
    """The GLA layer of section 4.4: width/2 keys, values as wide as the input, decays of rank 16.

    The authors' code (flash-linear-attention) has 4 heads of 128 keys, an RMS norm in place of the
    layer norm, and no b_r. Weights start as nn.Linear; the authors draw them with a standard
    deviation of 0.02, for widths of 1,000 and more.
    """

    def __init__(
        self,
        width: int,
        layer: int,
        length: int,
        *,
        heads: PositiveInt = 2,
        gate_rank: PositiveInt = 16,
        tau: PositiveFloat = 16.0,
    ) -> None:
        super().__init__()
        if width % (2 * heads):
            raise ValueError(f"width = {width} must be a multiple of 2 heads = {2 * heads}")
        self.heads, self.tau = heads, tau
        self.W_Q = nn.Linear(width, width // 2, bias=False)
        self.W_K = nn.Linear(width, width // 2, bias=False)
        self.W_V = nn.Linear(width, width, bias=False)
        self.W_1 = nn.Linear(width, gate_rank, bias=False)
        self.W_2 = nn.Linear(gate_rank, width // 2)  # with b_alpha
        self.W_r = nn.Linear(width, width)
        self.W_O = nn.Linear(width, width, bias=False)
        self.head_norm = nn.LayerNorm(width // heads)

    @property
    def state_size(self) -> int:
        return self.W_K.out_features * self.W_V.out_features // self.heads

    def project(self, u: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """q, k, v and log alpha of each head, (..., C) -> (..., H, .)."""
        q, k, v, gate = (
            x.unflatten(-1, (self.heads, -1))
            for x in (self.W_Q(u), self.W_K(u), self.W_V(u), self.W_2(self.W_1(u)))
        )
        return q, k, v, F.logsigmoid(gate) / self.tau

    def read(self, o: Tensor, u: Tensor) -> Tensor:
        """W_O (swish(W_r u + b_r) LayerNorm(o)), (..., H, D) and (..., C) -> (..., C)."""
        return self.W_O(F.silu(self.W_r(u)) * self.head_norm(o).flatten(-2))

    def forward(self, u: Tensor) -> Tensor:
        return self.read(matrix_state_scan(*self.project(u)), u)  # (B, T, C)

    def initial_state(self, batch: int) -> Tensor:
        K, V = (W.out_features // self.heads for W in (self.W_K, self.W_V))
        return self.W_K.weight.new_zeros(batch, self.heads, V, K)

    def step(self, u: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        o, S = matrix_state_step(state, *self.project(u))  # (B, H, V, K)
        return self.read(o, u), S
