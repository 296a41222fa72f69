"""Causal softmax attention."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from mfbench.models.members import over_members


def causal_attention(Q: Tensor, K: Tensor, V: Tensor, *, bias: Tensor | None = None) -> Tensor:
    """softmax(Q K' / sqrt(D) + bias + mask) V, where the mask hides the future.

    Parameters
    ----------
    Q, K, V : (B, heads, T, D) tensors
    bias : (heads, T, T) tensor, optional
        Added to the scores; gets no gradient.

    Returns
    -------
    (B, heads, T, D) tensor
    """
    mask = None
    if bias is not None:
        mask = bias + torch.full_like(bias, float("-inf")).triu(1)

    def attend(Q: Tensor, K: Tensor, V: Tensor) -> Tensor:
        # Attention has no weights, so members can join the batch.
        q, k, v = (tensor.flatten(0, -4) for tensor in (Q, K, V))
        y = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, is_causal=mask is None)
        return y.unflatten(0, Q.shape[:-3])

    return over_members(attend, Q, K, V)
