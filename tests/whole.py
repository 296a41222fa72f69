"""Architectures of mfbench, written as modules that are whole models."""

from __future__ import annotations

from pathlib import Path

# The same modules in the same order, so with the same initial weights: encoder, mixer, decoder.
_TWINS = """
import torch
from torch import nn
from mfbench.models.architectures.rnn import RNN
from mfbench.models.architectures.stable_ssm import StableSSM

class Twin(nn.Module):
    def __init__(self, width, length):
        super().__init__()
        mixer = self.mixer(width, 0, length)
        encoder = nn.Linear(1, width, bias=not mixer.linear)
        decoder = nn.Linear(width, 1, bias=False)
        with torch.no_grad():
            decoder.weight.mul_(0.5)
        self.model = nn.Sequential(encoder, mixer, decoder)
        self.linear, self.state_size = mixer.linear, mixer.state_size
    def forward(self, x):
        return self.model(x)
    def ssm_parameters(self):
        return self.model[1].ssm_parameters()

class rnn(Twin):
    mixer = RNN

class stable_ssm(Twin):
    mixer = StableSSM
"""


def write_twin(folder: Path, name: str) -> str:
    """Reference of a module that computes the same as an architecture with one layer."""
    (folder / "twins.py").write_text(_TWINS)
    return f"{folder / 'twins.py'}:{name}"
