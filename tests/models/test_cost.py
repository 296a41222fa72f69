"""Multiply-adds against those counted by hand."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from mfbench.models.build import build_model
from mfbench.models.cost import multiply_adds

C, T = 16, 64
ENDS = 2 * C  # encoder and decoder
TAPS = 4 * 3 * C * C - C * C * sum((T - max(0, T - j * 2**i)) / T for i in range(4) for j in (1, 2))
N, FFT = 16, 2.5 * T * math.log2(2 * T)  # multiplications for twice the length
S4D = (C * T * N + C * 3 * FFT) / T + C * C  # kernel, transforms of input, kernel and output, W

OWN = """
from torch import nn
class Own(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(1, 16, batch_first=True)
        self.conv = nn.Conv1d(16, 8, 3)
        self.read = nn.Linear(8, 1)
    def forward(self, x):
        y = self.lstm(x)[0]
        y = nn.functional.scaled_dot_product_attention(*3 * [y[:, None]], is_causal=True)[:, 0]
        y = nn.functional.pad(y.mT, (2, 0))
        return self.read(self.conv(y).mT)
"""


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("rnn", ENDS + 2 * C * C),
        ("lstm", ENDS + 8 * C * C),
        ("dilated_convolution", ENDS + TAPS),
        ("s4d", ENDS + S4D),
        ("own.py:Own", 4 * C * (1 + C) + 2 * C * T + 3 * 8 * C + 8),
    ],
)
def test_counts_agree_with_those_by_hand(
    model: str, expected: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("own.py").write_text(OWN)
    built = build_model({"model": model}, width=C, length=T)
    assert multiply_adds(built, T) == pytest.approx(expected, rel=1e-9)
