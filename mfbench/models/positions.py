"""Positional encodings of attention, which add to the input or scores, or rotate queries and keys.

sinusoidal: Vaswani et al. (2017), arXiv 1706.03762
rope: Su et al. (2021), arXiv 2104.09864
alibi: Press, Smith & Lewis (2021), arXiv 2108.12409
t5: Raffel et al. (2019), arXiv 1910.10683
"""

from __future__ import annotations

import math

import torch
from torch import Tensor


def _frequencies(channels: int, like: Tensor) -> Tensor:
    """10000^(-2i/C) for i = 0..C/2-1."""
    i = torch.arange(0, channels, 2, device=like.device, dtype=like.dtype)
    return 10000.0 ** (-i / channels)


def sinusoidal(u: Tensor) -> Tensor:
    """The encoding to add to u, (T, C): sines in the first half of the channels, then cosines."""
    T, C = u.shape[-2:]
    t = torch.arange(T, device=u.device, dtype=u.dtype)
    angle = t[:, None] * _frequencies(C + C % 2, u)  # (T, ceil(C/2))
    return torch.cat((angle.sin(), angle.cos()), -1)[:, :C]


def rotations(length: int, channels: int, like: Tensor) -> Tensor:
    """RoPE: cosine and sine of t * frequency_i for each channel pair i, (T, D/2, 2)."""
    t = torch.arange(length, device=like.device, dtype=like.dtype)
    angle = t[:, None] * _frequencies(channels, like)
    return torch.stack((angle.cos(), angle.sin()), -1)


def rotate(q: Tensor, rotations: Tensor) -> Tensor:
    """RoPE: rotate channel pairs (2i, 2i+1) of (..., T, D) by angle t * frequency_i."""
    pairs = torch.view_as_complex(q.unflatten(-1, (-1, 2)))  # (..., T, D/2)
    return torch.view_as_real(pairs * torch.view_as_complex(rotations)).flatten(-2)


def alibi(heads: int, like: Tensor) -> Tensor:
    """Bias -slope_h (t - s) on the score of query t and key s, (heads, T, T).

    The slopes are 2^(-8h/n) if the number of heads n is a power of two. Otherwise they are those of
    the next lower power of two, then every second one of the next higher, as in the paper's code.
    """

    def slopes(n: int) -> list[float]:
        return [2.0 ** (-8.0 * (h + 1) / n) for h in range(n)]

    lower = 2 ** (heads.bit_length() - 1)
    values = slopes(lower) + slopes(2 * lower)[0::2][: heads - lower]
    t = torch.arange(like.shape[-2], device=like.device, dtype=like.dtype)
    slope = torch.tensor(values, device=like.device, dtype=like.dtype)
    return -slope[:, None, None] * (t[:, None] - t[None, :])


BUCKETS, FARTHEST = 32, 128  # of t5; all lags from 128 on share the last bucket


def t5(table: Tensor, T: int) -> Tensor:
    """Bias of query t and key s, which depends on the bucket of t - s alone: (heads, T, T).

    The first half of the buckets has one lag each, the second half ranges of equal size in log lag.

    Parameters
    ----------
    table : (BUCKETS, heads) tensor
    T : int
    """
    t, half = torch.arange(T, device=table.device), BUCKETS // 2
    far = torch.log(t.clamp(min=half) / half) / math.log(FARTHEST / half) * half
    bucket = torch.where(t < half, t, (half + far.long()).clamp(max=BUCKETS - 1))  # (T,)
    lag = (t[:, None] - t).clamp(min=0)  # what lies above the diagonal is hidden anyway
    return table[bucket][lag].movedim(-1, 0)
