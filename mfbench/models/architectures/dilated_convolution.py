"""Stack of dilated causal convolutions: Jiang, Li & Li (2021), arXiv 2107.09355

Layer i: y_t = sum_j W_j u_{t - j d}, dilation d = dilation_base^i. The receptive field over all
layers is 1 + (kernel_size - 1) sum_i d_i. The architecture tcn has the nonlinear block that is used
in practice.

Oracle: pytorch-tcn's TemporalConv1d
"""

from __future__ import annotations

import torch
from pydantic import PositiveInt
from torch import Tensor, nn

from mfbench.models.convolution import dilated_convolution
from mfbench.models.mixer import Mixer
from mfbench.models.registry import register


@register
class DilatedConvolution(Mixer):
    """One linear convolution; the depth of the stack widens the receptive field."""

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
        self.dilation = dilation_base**layer
        self.kernel_size = kernel_size
        self.W = nn.Parameter(torch.empty(kernel_size, width, width))  # tap j, out, in
        bound = 1 / (kernel_size * width) ** 0.5  # as torch.nn.Conv1d
        nn.init.uniform_(self.W, -bound, bound)

    @property
    def linear(self) -> bool:
        return True

    @property
    def receptive_field(self) -> int:
        return 1 + (self.kernel_size - 1) * self.dilation

    def forward(self, u: Tensor) -> Tensor:
        return dilated_convolution(u, self.W, self.dilation)  # (B, T, C)
