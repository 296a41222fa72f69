"""sLSTM, the scalar memory of xLSTM: Beck et al. (2024), arXiv 2405.04517, section 2.2

i = exp(i~),  f = sigmoid(f~),  z = tanh(z~),  o = sigmoid(o~),  each of W u + R h + b
c' = f c + i z,  n' = f n + i,  h' = o c' / n'

Outside of the mixer: the convolution in front of i and f, which the paper calls optional, the group
norm and the MLP of the paper's block.

State: 4 width
Oracle: the paper's recurrence
"""

from __future__ import annotations

import torch
from pydantic import PositiveInt
from torch import Tensor, nn
from torch.nn import functional as F

from mfbench.models.mixer import RecurrentMixer
from mfbench.models.registry import register
from mfbench.models.scans.slstm import slstm_scan


@register
class SLSTM(RecurrentMixer):
    """R mixes the width/heads units of each head; heads do not see each other.

    The numbers are those of the authors' code (NX-AI/xlstm), for one block: 4 heads, R = 0, W
    normal with variance 2/(5 C), b = 0 except for the forget gate, from 5 in the first unit of a
    head to -7 in the last. Their W connects each head with its own share of the input; here, with
    all of it.
    """

    def __init__(self, width: int, layer: int, length: int, *, heads: PositiveInt = 4) -> None:
        super().__init__()
        if width % heads:
            raise ValueError(f"width = {width} is not a multiple of heads = {heads}")
        D = width // heads
        self.W = nn.Parameter(torch.randn(4 * width, width) * (0.4 / width) ** 0.5)  # i, f, z, o
        self.R = nn.Parameter(torch.zeros(4, heads, D, D))  # gate, head, out, in
        self.b = nn.Parameter(torch.zeros(4 * width))
        with torch.no_grad():
            self.b[width : 2 * width] = (5 - 12 * torch.linspace(0, 1, D) ** 0.3).repeat(heads)

    @property
    def state_size(self) -> int:
        return len(self.b)

    def mixing(self) -> Tensor:
        """R as one matrix with diagonal blocks, (4C, C)."""
        heads = self.R.shape[1]
        eye = torch.eye(heads, dtype=self.R.dtype, device=self.R.device)
        blocks = self.R[..., None, :] * eye[:, None, :, None]  # (4, heads, D, heads, D)
        return blocks.flatten(-2).flatten(0, 2)

    def forward(self, u: Tensor) -> Tensor:
        return slstm_scan(u, self.W, self.mixing(), self.b)  # (B, T, C)

    def initial_state(self, batch: int) -> tuple[Tensor, ...]:
        zeros = self.b.new_zeros(batch, len(self.b) // 4)
        return zeros, zeros, zeros, zeros - torch.inf

    def step(self, u: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, tuple[Tensor, ...]]:
        h, c, n, m = state  # (B, C); c and n relative to exp(m)
        i, f, z, o = (F.linear(u, self.W, self.b) + h @ self.mixing().T).chunk(4, -1)
        f = F.logsigmoid(f) + m
        m = torch.maximum(f, i).detach()  # h does not depend on it
        i, f = torch.exp(i - m), torch.exp(f - m)
        c = f * c + i * torch.tanh(z)
        n = f * n + i
        h = torch.sigmoid(o) * c / n
        return h, (h, c, n, m)
