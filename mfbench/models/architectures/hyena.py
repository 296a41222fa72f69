"""Hyena, long convolutions and gates in turn: Poli et al. (2023), arXiv 2302.10866

z^1 = v,  z^{n+1}_t = x^n_t (h^n * z^n)_t,  y = z^{N+1}  (definition 3.1, order N)
(v, x^1, ..., x^N) = conv(W u), a short convolution per channel (algorithm 1)
h^n_t = window(t) FFN(positions(t)) + D^n at lag 0 (algorithm 2)

Outside of the mixer: dropout, the norm and the residual of a stack.

Oracle: gates and Toeplitz matrices, as in the paper's definition
"""

from __future__ import annotations

import math

import torch
from pydantic import PositiveInt
from torch import Tensor, nn

from mfbench.models.convolution import causal_convolution, short_convolution
from mfbench.models.mixer import Mixer
from mfbench.models.registry import register


class Filters(nn.Module):
    """The implicit filters: a network maps a lag to the weights of all channels.

    Its sines have a frequency of 10 at the start, and its input is t and two complex exponentials,
    as in the authors' study of recall (safari, hyena-131k-30vs.yaml). The windows fall to 1 % at
    lags from 30 % of L (the fastest) to 150 % (the slowest), with evenly spaced rates.

    Parameters
    ----------
    channels : int
    length : int
        Number of steps L over which t rises from 0 to 1; filters may be longer.
    width : int
        Hidden units of the network.
    """

    def __init__(self, channels: int, length: int, width: int) -> None:
        super().__init__()
        self.length = length
        self.first, self.second, self.third = (nn.Linear(n, width) for n in (5, width, width))
        self.last = nn.Linear(width, channels, bias=False)
        self.frequency = nn.Parameter(torch.full((width,), 10.0))
        self.D = nn.Parameter(torch.randn(channels))

    def forward(self, T: int) -> Tensor:
        """The filters at lags 0 to T - 1, (C, T)."""
        device, dtype = self.D.device, self.D.dtype
        steps = torch.arange(T, device=device, dtype=dtype)[:, None]
        t = steps / max(self.length - 1, 1)  # (T, 1)
        frequencies = torch.linspace(1e-4, 1, 2, device=device, dtype=dtype)
        angle = 2 * math.pi * steps / self.length * frequencies  # (T, 2)
        h = torch.cat((t, angle.cos(), -angle.sin()), -1)  # (T, 5)
        for layer in (self.first, self.second, self.third):
            h = torch.sin(self.frequency * layer(h))  # (T, F)
        rate = torch.linspace(1 / 1.5, 1 / 0.3, len(self.D), device=device, dtype=dtype)
        h = self.last(h) * torch.exp(-math.log(100) * rate * t)  # (T, C)
        return torch.cat((h[:1] + self.D, h[1:])).mT


@register
class Hyena(Mixer):
    """Order 2: two long convolutions, each followed by a gate.

    A short convolution of 3 taps and a network of 64 hidden units are the defaults of the authors'
    code (safari, src/models/sequence/hyena.py). As there, the filters of all convolutions take the
    windows in turn. There, order N has N - 1 long convolutions between its gates; here it has N, as
    in the paper.
    """

    def __init__(
        self,
        width: int,
        layer: int,
        length: int,
        *,
        order: PositiveInt = 2,
        kernel_size: PositiveInt = 3,
        filter_width: PositiveInt = 64,
    ) -> None:
        super().__init__()
        C, inner = width, (order + 1) * width
        self.order = order
        self.W = nn.Linear(C, inner)
        bound = kernel_size**-0.5  # as torch.nn.Conv1d
        self.taps = nn.Parameter(torch.empty(kernel_size, inner).uniform_(-bound, bound))
        self.taps_bias = nn.Parameter(torch.empty(inner).uniform_(-bound, bound))
        self.filters = Filters(order * C, length, filter_width)
        self.W_out = nn.Linear(C, C)

    def forward(self, u: Tensor) -> Tensor:
        v, *gates = (short_convolution(self.W(u), self.taps) + self.taps_bias).chunk(
            self.order + 1, -1
        )  # (B, T, C) each
        filters = self.filters(u.shape[1]).unflatten(0, (-1, self.order)).unbind(1)  # (C, T) each
        for x, h in zip(gates, filters, strict=True):
            v = x * causal_convolution(v, h)
        return self.W_out(v)  # (B, T, C)
