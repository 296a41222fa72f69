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
        mask = _mask(Q, window)
        if bias is not None and (bias.requires_grad or has_members(bias)):
            return over_members(_attend_with_bias, Q, K, V, bias, mask)
        mask = mask if bias is None else bias + mask

    def attend(Q: Tensor, K: Tensor, V: Tensor) -> Tensor:
        # Attention has no weights, so members can join the batch.
        q, k, v = (tensor.flatten(0, -4) for tensor in (Q, K, V))
        y = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, is_causal=mask is None)
        return y.unflatten(0, Q.shape[:-3])

    return over_members(attend, Q, K, V)


def _mask(Q: Tensor, window: int | None) -> Tensor:
    """0 where step t may see step s and -inf elsewhere, (T, T)."""
    hidden = torch.full((Q.shape[-2],) * 2, float("-inf"), device=Q.device, dtype=Q.dtype)
    mask = hidden.triu(1)
    return mask if window is None else mask + hidden.tril(-window)


def _attend_with_bias(Q: Tensor, K: Tensor, V: Tensor, bias: Tensor, mask: Tensor) -> Tensor:
    """A trained bias is one of each member: (heads, T, T) or (M, heads, T, T)."""
    scores = (bias + mask.unsqueeze(-3)).unsqueeze(-4)  # over sequences
    return F.scaled_dot_product_attention(Q, K, V, attn_mask=scores)
