"""Causal Transformer: Vaswani et al. (2017), arXiv 1706.03762, with the normalisation in front of
each sublayer as in Xiong et al. (2020), arXiv 2002.04745

u <- u + W_O softmax(Q K' / sqrt(D) + mask) V,  then  u <- u + W_2 gelu(W_1 u)
"""

from __future__ import annotations

from typing import Literal

import torch
from pydantic import PositiveInt
from torch import Tensor, nn
from torch.nn import functional as F

from mfbench.architectures.mixer import Mixer
from mfbench.architectures.positions import alibi, rotate, sinusoidal
from mfbench.architectures.registry import register
from mfbench.architectures.stacked import over_members


@register
class Transformer(Mixer):
    """Self-attention and feed-forward sublayer, each with its own norm and residual."""

    layers = 2

    def __init__(
        self,
        width: int,
        layer: int,
        length: int,
        *,
        heads: PositiveInt = 2,
        positions: Literal["none", "sinusoidal", "learned", "rope", "alibi"] = "rope",
        feed_forward: PositiveInt = 2,
    ) -> None:
        super().__init__()
        if width % heads:
            raise ValueError(f"width = {width} is not a multiple of heads = {heads}")
        if positions == "rope" and (width // heads) % 2:
            raise ValueError(f"rope needs an even width per head, not {width // heads}")
        self.heads, self.positions = heads, positions
        self.first = layer == 0  # encodings that are added to the input are added once
        self.norm_attention, self.norm_feed_forward = nn.LayerNorm(width), nn.LayerNorm(width)
        self.W_QKV = nn.Linear(width, 3 * width, bias=False)
        self.W_O = nn.Linear(width, width, bias=False)
        self.W_1 = nn.Linear(width, feed_forward * width)
        self.W_2 = nn.Linear(feed_forward * width, width)
        if positions == "learned" and self.first:
            self.P = nn.Parameter(0.02 * torch.randn(length, width))

    @property
    def maximum_length(self) -> int | None:
        return len(self.P) if self.first and self.positions == "learned" else None

    def encode(self, u: Tensor) -> Tensor:
        """Add the position to the input of the first layer, where the encoding is of that kind."""
        if self.first and self.positions == "sinusoidal":
            return u + sinusoidal(u)
        if self.first and self.positions == "learned":
            if u.shape[1] > len(self.P):
                raise ValueError(
                    f"learned positions end at step {len(self.P)}, the input has {u.shape[1]}"
                )
            return u + self.P[: u.shape[1]]
        return u

    def attention(self, u: Tensor) -> Tensor:
        B, T, C = u.shape
        QKV = self.W_QKV(u).view(B, T, 3, self.heads, C // self.heads)
        Q, K, V = QKV.permute(2, 0, 3, 1, 4)  # each (B, heads, T, D)
        if self.positions == "rope":
            Q, K = rotate(Q), rotate(K)
        y = over_members(self._attend_in_stack, Q, K, V) if self.stacked else self._attend(Q, K, V)
        return self.W_O(y.transpose(1, 2).reshape(B, T, C))

    def _attend(self, Q: Tensor, K: Tensor, V: Tensor) -> Tensor:
        """Softmax(Q K' / sqrt(D) + mask) V, each (B, heads, T, D)."""
        if self.positions != "alibi":
            return F.scaled_dot_product_attention(Q, K, V, is_causal=True)
        T = Q.shape[-2]
        future = torch.full((T, T), float("-inf"), dtype=Q.dtype, device=Q.device).triu(1)
        return F.scaled_dot_product_attention(Q, K, V, attn_mask=alibi(self.heads, Q) + future)

    def _attend_in_stack(self, Q: Tensor, K: Tensor, V: Tensor) -> Tensor:
        """The same of all members, (M, B, heads, T, D): attention has no weights to keep apart."""
        y = self._attend(Q.flatten(0, 1), K.flatten(0, 1), V.flatten(0, 1))
        return y.unflatten(0, Q.shape[:2])

    def forward(self, u: Tensor) -> Tensor:
        u = self.encode(u)
        u = u + self.attention(self.norm_attention(u))  # (B, T, C)
        return u + self.W_2(F.gelu(self.W_1(self.norm_feed_forward(u))))  # (B, T, C)
