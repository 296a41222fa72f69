"""Packs that are trained in a moment."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mfbench.training.data import TrainingData
from mfbench.training.pack import Cell, Pack, train_pack
from mfbench.training.record import write_training, write_weights
from tests.conftest import architecture_settings
from tests.training.conftest import make_settings


def train_several(
    tasks: dict[str, TrainingData],
    folder: Path,
    name: str = "rnn",
    code: str = "c",
    keep_going: bool = False,
    **changes: Any,
) -> Pack:
    return train_pack(
        architecture_settings(name),
        tasks,
        width=4,
        settings=make_settings(**changes),
        code=code,
        checkpoints=folder,
        keep_going=keep_going,
    )


def train(
    data: TrainingData, folder: Path, name: str = "rnn", code: str = "c", **changes: Any
) -> Cell:
    return train_several({"4": data}, folder, name, code, **changes).cells["4"]


def write(folder: Path, pack: Pack, **changes: Any) -> None:
    about: dict[str, Any] = {"resolved": {"width": 4}, "title": "t"}
    write_weights(folder / "a.safetensors", pack, **about)
    settings = make_settings(**changes)
    write_training(folder / "a.nc", pack, settings=settings, device="cpu: test", **about)


def how(caplog: pytest.LogCaptureFixture) -> list[str]:
    """'trained' or 'found finished' for each member of the last call."""
    found = [
        r.getMessage().split(": ")[1].split(",")[0]
        for r in caplog.records
        if "learning rate" in r.getMessage()
    ]
    caplog.clear()
    return found
