"""A module that is a whole model is trained, on the device where it runs."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch

from mfbench.training.data import TrainingData
from tests.training.cells import train_several
from tests.whole import write_twin


def test_a_whole_model_is_a_cell_with_what_it_declares(data: TrainingData, tmp_path: Path) -> None:
    whole = write_twin(tmp_path, "stable_ssm")
    cells = train_several({4.0: data}, tmp_path / "whole", whole)
    expected = train_several({4.0: data}, tmp_path / "mixer", "stable_ssm")
    assert cells.cells[4.0].message == ""
    assert (cells.parameters, cells.linear) == (expected.parameters, expected.linear)
    assert (cells.state_size, cells.receptive_field) == (expected.state_size, None)
    names = cells.cells[4.0].members.popitem()[1].best_weights()
    assert "module.model.1.w" in names


ONE_DEVICE = """
import torch
from torch import nn

class Own(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.a = nn.Parameter(torch.rand(width, 1, device="DEVICE"))
    def forward(self, x):
        if x.device.type != "DEVICE":
            raise RuntimeError("this kernel runs on DEVICE only")
        return (x @ self.a.T) @ self.a
"""


def test_a_model_is_checked_and_trained_where_it_runs(
    data: TrainingData, tmp_path: Path, device: torch.device
) -> None:
    (tmp_path / "own.py").write_text(ONE_DEVICE.replace("DEVICE", device.type))
    there = {
        field.name: value.to(device) if isinstance(value, torch.Tensor) else value
        for field in dataclasses.fields(data)
        for value in [getattr(data, field.name)]
    }
    cells = train_several({4.0: TrainingData(**there)}, tmp_path, f"{tmp_path}/own.py:Own")
    first = {run: p.losses[0].item() for run, p in cells.cells[4.0].members.items()}
    assert first[30, 0.01, 0] == pytest.approx(first[30, 0.03, 0])
    assert first[30, 0.01, 0] != pytest.approx(first[30, 0.01, 1])
