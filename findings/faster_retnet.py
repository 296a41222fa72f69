"""RetNet with faster decays: why it finds short memory harder than long (docs/findings.md)."""

from __future__ import annotations

import torch

from mfbench.models.architectures.retnet import RetNet


class FasterRetNet(RetNet):
    """Decays of 1/2 and 15/16 in place of 31/32 and 63/64."""

    def __init__(self, width: int, layer: int, length: int) -> None:
        super().__init__(width, layer, length, heads=2)
        self.log_gamma.copy_(torch.tensor([[1 / 2], [15 / 16]]).log())
