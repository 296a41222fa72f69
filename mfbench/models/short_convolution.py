"""The short causal convolution in front of a recurrence, each channel with its own few taps."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from mfbench.models.convolution import short_convolution


class ShortConvolution(nn.Module):
    """y_t = sum_j W_j u_{t-j} + b with zeros before the first step, initialised as nn.Conv1d.

    Parameters
    ----------
    channels, taps : int
    bias : bool
    """

    def __init__(self, channels: int, taps: int, *, bias: bool) -> None:
        super().__init__()
        bound = taps**-0.5
        self.W = nn.Parameter(torch.empty(taps, channels).uniform_(-bound, bound))  # (J, C)
        self.b = nn.Parameter(torch.empty(channels).uniform_(-bound, bound)) if bias else None

    @property
    def state_size(self) -> int:
        """Number of reals carried from one step to the next: the latest inputs."""
        taps, channels = self.W.shape
        return (taps - 1) * channels

    def forward(self, u: Tensor) -> Tensor:
        y = short_convolution(u, self.W)  # (B, T, C)
        return y if self.b is None else y + self.b

    def initial_state(self, batch: int) -> Tensor:
        """The inputs before the first step, (B, J-1, C), the latest first."""
        return self.W.new_zeros(batch, len(self.W) - 1, self.W.shape[1])

    def step(self, u: Tensor, past: Tensor) -> tuple[Tensor, Tensor]:
        """One step: input (B, C) and those before it -> output (B, C) and the next state."""
        seen = torch.cat((u[:, None], past), 1)  # (B, J, C)
        y = (seen * self.W).sum(1)
        return y if self.b is None else y + self.b, seen[:, :-1]
