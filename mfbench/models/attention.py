"""Causal softmax attention."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from mfbench.models.members import has_members, over_members


def causal_attention(
    Q: Tensor, K: Tensor, V: Tensor, *, bias: Tensor | None = None, window: int | None = None
) -> Tensor:
    """softmax(Q K' / sqrt(D) + bias + mask) V, where the mask hides the future.

    Parameters
    ----------
    Q, K, V : (B, heads, T, D) tensors
    bias : (heads, T, T) tensor, optional
        Added to the scores.
    window : int, optional
        Number of lags, 0 included, that the mask leaves; None leaves all.

    Returns
    -------
    (B, heads, T, D) tensor
    """
    mask = None
    if bias is not None or window is not None:
        mask = torch.full((Q.shape[-2],) * 2, float("-inf"), device=Q.device, dtype=Q.dtype).triu(1)
        if window is not None:
            mask = mask + torch.full_like(mask, float("-inf")).tril(-window)
    if bias is not None and (bias.requires_grad or has_members(bias)):

        def attend_with(Q: Tensor, K: Tensor, V: Tensor, bias: Tensor) -> Tensor:
            scores = bias.unsqueeze(-4) + mask  # (B, heads, T, T) or (M, B, heads, T, T)
            return F.scaled_dot_product_attention(Q, K, V, attn_mask=scores)

        return over_members(attend_with, Q, K, V, bias)
    if bias is not None:
        mask = bias + mask

    def attend(Q: Tensor, K: Tensor, V: Tensor) -> Tensor:
        # Attention has no weights, so members can join the batch.
        q, k, v = (tensor.flatten(0, -4) for tensor in (Q, K, V))
        y = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, is_causal=mask is None)
        return y.unflatten(0, Q.shape[:-3])

    return over_members(attend, Q, K, V)
