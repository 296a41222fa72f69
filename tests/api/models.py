"""Modules of one's own, as users write them."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Gated(nn.Module):
    """A whole model with an option that is named like a setting of the stack."""

    def __init__(self, width: int, taps: int = 4, norm: bool = False) -> None:
        super().__init__()
        self.taps, self.norm = taps, norm
        self.conv, self.out = nn.Conv1d(1, width, taps, padding=taps - 1), nn.Linear(width, 1)

    def forward(self, x: Tensor) -> Tensor:
        u = self.conv(x.mT)[..., : x.shape[1]].mT
        return self.out(torch.relu(u) * torch.sigmoid(u))


class Fir(nn.Module):
    """yhat_t = sum_s h_s x_{t-s}, without anything to train."""

    def __init__(self, h: Tensor, *, shift: int = 0) -> None:
        super().__init__()
        self.shift = shift
        self.register_buffer("h", h)

    def forward(self, x: Tensor) -> Tensor:
        past = F.pad(x.mT, (len(self.h) - 1 - self.shift, self.shift))
        return F.conv1d(past, self.h.flip(0)[None, None].to(x)).mT


class Active(nn.Module):
    """A whole model with an option that no study file can hold."""

    def __init__(self, act: type[nn.Module] = nn.ReLU, size: int = 2) -> None:
        super().__init__()
        self.linear, self.act, self.out = nn.Linear(1, size), act(), nn.Linear(size, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.act(self.linear(x)))
