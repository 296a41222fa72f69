"""Temporal convolutional network: Bai, Kolter & Koltun (2018), arXiv 1803.01271

The residual block of figure 1b, with dilation d = dilation_base^layer in both convolutions:
y = relu(u + F(F(u))),  F(u)_t = relu(sum_j W_j u_{t - j d} + b),  W = g V / |V| per output channel
The receptive field over all layers is 1 + 2 (kernel_size - 1) sum_i d_i.

Left out: dropout, and the 1x1 convolution of a block that changes the width, which none does here.

Oracle: pytorch-tcn
"""

from __future__ import annotations

import torch
from pydantic import PositiveInt
from torch import Tensor, nn

from mfbench.models.convolution import dilated_convolution
from mfbench.models.mixer import Mixer
from mfbench.models.registry import register


class WeightNormConvolution(nn.Module):
    """Dilated causal convolution with weight normalisation (Salimans & Kingma, arXiv 1602.07868).

    V and b start as in torch.nn.Conv1d and g as |V|: the smaller weights that the authors' code
    draws are overwritten before the first step.
    """

    def __init__(self, width: int, *, kernel_size: int, dilation: int) -> None:
        super().__init__()
        self.dilation = dilation
        bound = 1 / (kernel_size * width) ** 0.5
        V = torch.empty(kernel_size, width, width).uniform_(-bound, bound)
        self.V = nn.Parameter(V)  # tap j, out, in
        self.g = nn.Parameter(V.square().sum((0, 2)).sqrt())  # out
        self.b = nn.Parameter(torch.empty(width).uniform_(-bound, bound))

    def forward(self, u: Tensor) -> Tensor:
        norm = self.V.square().sum((0, 2)).sqrt()  # (C,)
        W = (self.g / norm)[:, None] * self.V
        return dilated_convolution(u, W, self.dilation) + self.b  # (B, T, C)


@register
class TCN(Mixer):
    """Two convolutions and the residual connection around them."""

    layers = 4

    def __init__(
        self,
        width: int,
        layer: int,
        length: int,
        *,
        kernel_size: PositiveInt = 3,
        dilation_base: PositiveInt = 2,
    ) -> None:
        super().__init__()
        dilation = dilation_base**layer
        self.reach = (kernel_size - 1) * dilation  # lags of one convolution, in steps
        self.first, self.second = (
            WeightNormConvolution(width, kernel_size=kernel_size, dilation=dilation)
            for _ in range(2)
        )

    @property
    def receptive_field(self) -> int:
        return 1 + 2 * self.reach

    def forward(self, u: Tensor) -> Tensor:
        y = torch.relu(self.second(torch.relu(self.first(u))))
        return torch.relu(u + y)  # (B, T, C)
