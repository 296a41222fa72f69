"""RWKV-7 "Goose": Peng et al. (2025), arXiv 2503.14456

x^m_t = x_t + mu_m (x_{t-1} - x_t) for m in r, w, k, v, a, g
w_t = exp(-e^(-1/2) sigmoid(w_0 + tanh(x^w_t w_1) w_2)),  a_t = sigmoid(a_0 + x^a_t a_1 a_2)
kappa_t = normalised k_t xi,  k~_t = k_t (1 + alpha (a_t - 1))
S_t = S_{t-1} (diag(w_t) - kappa_t' (a_t kappa_t)) + v_t' k~_t
y_t = W_o (g_t (GroupNorm(S_t r_t') + (r_t rho k~_t') v_t)),  g_t = sigmoid(x^g_t g_1) g_2

Outside of the mixer: the norm and residual of a stack (`norm: layer`, `residual: true`), the
channel mixing, and the residual of v between layers, because a mixer sees its own input only.

State: width^2 / heads + width
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

State = tuple[Tensor, Tensor]


@register
class RWKV7(RecurrentMixer):
    """The time mixing of the paper, which has heads of 64 channels.

    Initialisation and low ranks are from the authors' code (class RWKV_Tmix_x070 in
    RWKV-v7/train_temp), but for four things: ranks are not rounded to multiples of 32; every layer
    starts as the first one does, because a mixer does not know the depth; W_o starts as W_r does
    instead of at zero, because a stack may have no residual; and the group norm has an epsilon of
    1e-5 per channel of a head, which is 64e-5 there. For language models, that code draws W_r, W_k
    and W_v once more, as orthogonal matrices.
    """

    def __init__(self, width: int, layer: int, length: int, *, heads: PositiveInt = 2) -> None:
        super().__init__()
        if width % heads or width < 2 * heads:
            raise ValueError(
                f"width = {width} must be a multiple of heads = {heads}, and at least {2 * heads}"
            )
        self.heads, N = heads, width // heads
        n = torch.arange(width)
        ramp = n / (width - 1) - 0.5  # `linear` in the code
        zigzag = (n % N - (N - 1) / 2) / ((N - 1) / 2)
        zigzag = zigzag * zigzag.abs()
        powers = {"r": 0.2, "w": 0.9, "k": 0.7, "v": 0.7, "a": 0.9, "g": 0.2}
        self.mu = nn.ParameterDict(
            {name: nn.Parameter(1 - (n / width) ** p) for name, p in powers.items()}
        )  # (C,) each
        self.w_0 = nn.Parameter(-6 + 6 * (ramp + 0.5) + 0.5 + 2.5 * zigzag)
        self.a_0 = nn.Parameter(-0.19 + 0.3 * zigzag + 0.4 * ramp)
        rank, wide = round(2.5 * math.sqrt(width)), round(5 * math.sqrt(width))
        self.w_1, self.w_2 = _low_rank(width, rank)
        self.a_1, self.a_2 = _low_rank(width, rank)
        self.g_1, self.g_2 = _low_rank(width, wide)
        self.xi = nn.Parameter(0.71 - 0.1 * ramp)
        self.alpha = nn.Parameter(torch.full((width,), 1.02))
        self.rho = nn.Parameter(torch.full((width,), -0.04))
        self.W_r = nn.Linear(width, width, bias=False)
        self.W_k = nn.Linear(width, width, bias=False)
        self.W_v = nn.Linear(width, width, bias=False)
        self.W_o = nn.Linear(width, width, bias=False)
        for W, bound in ((self.W_r, 0.5), (self.W_k, 0.05), (self.W_v, 0.5), (self.W_o, 0.5)):
            nn.init.uniform_(W.weight, -bound * width**-0.5, bound * width**-0.5)
        self.gain = nn.Parameter(torch.ones(width))  # of the group norm
        self.shift = nn.Parameter(torch.zeros(width))

    @property
    def state_size(self) -> int:
        C = len(self.xi)
        return C * C // self.heads + C  # and the last input

    def mix(self, x: Tensor, past: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
        """g_t and what the scan needs: r, k~, v, log w, -kappa and a kappa of each head."""
        x_ = {name: torch.addcmul(x, past - x, mu) for name, mu in self.mu.items()}  # (..., C)
        r, k, v = self.W_r(x_["r"]), self.W_k(x_["k"]), self.W_v(x_["v"])
        d = self.w_0 + torch.tanh(x_["w"] @ self.w_1) @ self.w_2
        log_w = -math.exp(-0.5) * torch.sigmoid(d)
        a = torch.sigmoid(self.a_0 + x_["a"] @ self.a_1 @ self.a_2)
        g = torch.sigmoid(x_["g"] @ self.g_1) @ self.g_2
        kappa = F.normalize(self.by_head(k * self.xi), dim=-1)
        k = k * (1 + self.alpha * (a - 1))
        r, k, v, log_w, a = (self.by_head(each) for each in (r, k, v, log_w, a))
        return g, (r, k, v, log_w, -kappa, a * kappa)

    def by_head(self, x: Tensor) -> Tensor:
        """(..., C) -> (..., H, N)."""
        return x.unflatten(-1, (self.heads, -1))

    def read(self, o: Tensor, given: tuple[Tensor, ...], g: Tensor) -> Tensor:
        """W_o (g (GroupNorm(o) + (r rho k') v)), (..., H, N) each -> (..., C)."""
        r, k, v, *_ = given
        N = o.shape[-1]
        o = F.layer_norm(o, (N,), eps=1e-5 * N).flatten(-2) * self.gain + self.shift
        bonus = (r * k * self.by_head(self.rho)).sum(-1, keepdim=True) * v
        return self.W_o(g * (o + bonus.flatten(-2)))

    def forward(self, u: Tensor) -> Tensor:
        g, given = self.mix(u, F.pad(u, (0, 0, 1, 0))[:, :-1])
        return self.read(matrix_state_scan(*given, mild=True), given, g)  # (B, T, C)

    def initial_state(self, batch: int) -> State:
        C, H = len(self.xi), self.heads
        return self.xi.new_zeros(batch, H, C // H, C // H), self.xi.new_zeros(batch, C)

    def step(self, u: Tensor, state: State) -> tuple[Tensor, State]:
        S, past = state
        g, given = self.mix(u, past)
        o, S = matrix_state_step(S, *given)  # (B, H, N, N)
        return self.read(o, given, g), (S, u)


def _low_rank(width: int, rank: int) -> tuple[nn.Parameter, nn.Parameter]:
    """Two factors (C, R) and (R, C); the first starts at zero."""
    second = torch.empty(rank, width)
    nn.init.orthogonal_(second, gain=0.1 * max(1.0, rank / width) ** 0.5)
    return nn.Parameter(torch.zeros(width, rank)), nn.Parameter(second)
