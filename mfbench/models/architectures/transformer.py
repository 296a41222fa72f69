"""Causal Transformer: Vaswani et al. (2017), arXiv 1706.03762, with the normalisation before each
sublayer as in Xiong et al. (2020), arXiv 2002.04745

u <- u + W_O softmax(Q K' / sqrt(D) + mask) V,  then  u <- u + W_2 gelu(W_1 u)
with u normalised first in both; the stack ends with one more norm. With a `window`, the mask also
hides old steps, as in Longformer: Beltagy, Peters & Cohan (2020), arXiv 2004.05150.

Oracle: softmax attention written out; x-transformers and rotary-embedding-torch for positions
"""

from __future__ import annotations

from typing import Literal

import torch
from pydantic import PositiveInt
from torch import Tensor, nn
from torch.nn import functional as F

from mfbench.models.attention import causal_attention
from mfbench.models.mixer import Mixer
from mfbench.models.positions import BUCKETS, alibi, rotate, rotations, sinusoidal, t5
from mfbench.models.registry import register


@register
class Transformer(Mixer):
    """Self-attention and feed-forward sublayer, each with its own norm and residual.

    Vaswani et al. have relu in place of gelu, a feed-forward sublayer of 4 widths in place of 2,
    and sinusoidal positions. Weights start as nn.Linear.
    """

    layers = 2
    norm = "layer"
    norm_inside = True
    R: Tensor

    def __init__(
        self,
        width: int,
        layer: int,
        length: int,
        *,
        heads: PositiveInt = 2,
        positions: Literal["none", "sinusoidal", "learned", "rope", "alibi", "t5"] = "rope",
        feed_forward: PositiveInt = 2,
        window: PositiveInt | None = None,
    ) -> None:
        super().__init__()
        if width % heads:
            raise ValueError(f"width = {width} is not a multiple of heads = {heads}")
        if positions == "rope" and (width // heads) % 2:
            raise ValueError(f"rope needs an even width per head, not {width // heads}")
        self.heads, self.positions, self.window = heads, positions, window
        self.first = layer == 0  # only the first layer adds an encoding to its input
        self.norm_attention, self.norm_feed_forward = nn.LayerNorm(width), nn.LayerNorm(width)
        self.W_QKV = nn.Linear(width, 3 * width, bias=False)
        self.W_O = nn.Linear(width, width, bias=False)
        self.W_1 = nn.Linear(width, feed_forward * width)
        self.W_2 = nn.Linear(feed_forward * width, width)
        if positions == "rope":
            R = rotations(length, width // heads, like=self.W_O.weight)
            self.register_buffer("R", R, persistent=False)
        if positions == "learned" and self.first:
            self.P = nn.Parameter(0.02 * torch.randn(length, width))
        if positions == "t5":  # in the paper, all layers share one table
            self.table = nn.Parameter(torch.randn(BUCKETS, heads) / width**0.5)

    @property
    def receptive_field(self) -> int | None:
        return self.window

    @property
    def maximum_length(self) -> int | None:
        return len(self.P) if self.first and self.positions == "learned" else None

    def encode(self, u: Tensor) -> Tensor:
        """Add sinusoidal or learned positions to the input of the first layer."""
        if self.first and self.positions == "sinusoidal":
            return u + sinusoidal(u)
        if self.first and self.positions == "learned":
            if u.shape[1] > len(self.P):
                raise ValueError(
                    f"learned positions end after {len(self.P)} steps; the input has {u.shape[1]}"
                )
            return u + self.P[: u.shape[1]]
        return u

    def attention(self, u: Tensor) -> Tensor:
        """W_O softmax(Q K' / sqrt(D) + mask) V, (B, T, C) -> (B, T, C)."""
        B, T, C = u.shape
        QKV = self.W_QKV(u).view(B, T, 3, self.heads, C // self.heads)
        QK, V = QKV.permute(2, 0, 3, 1, 4).split((2, 1))  # each (., B, heads, T, D)
        if self.positions == "rope":
            QK = rotate(QK, self.turns(T))
        y = causal_attention(
            QK[0], QK[1], V[0], bias=self.bias(V), window=self.window
        )  # (B, heads, T, D)
        return self.W_O(y.transpose(1, 2).reshape(B, T, C))

    def bias(self, V: Tensor) -> Tensor | None:
        """What alibi and t5 add to the scores, (heads, T, T)."""
        if self.positions == "alibi":
            return alibi(self.heads, V)
        return t5(self.table, V.shape[-2]) if self.positions == "t5" else None

    def turns(self, T: int) -> Tensor:
        """The rotations of RoPE, (T, D/2, 2); a buffer holds them up to the training length."""
        if len(self.R) < T:
            return rotations(T, 2 * self.R.shape[1], like=self.R)
        return self.R[:T]

    def forward(self, u: Tensor) -> Tensor:
        u = self.encode(u)
        u = u + self.attention(self.norm_attention(u))  # (B, T, C)
        return u + self.W_2(F.gelu(self.W_1(self.norm_feed_forward(u))))  # (B, T, C)
