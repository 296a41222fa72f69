"""Train cells in a moment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from mfbench.training.cells import TrainedCell, TrainedCells, train_cells
from mfbench.training.data import TrainingData
from mfbench.training.record import write_training, write_weights
from mfbench.training.run import Run
from tests.training.conftest import make_settings


def train_several(
    tasks: dict[float, TrainingData],
    folder: Path,
    name: str = "rnn",
    code: str = "c",
    broken: str = "stop",
    runs: Mapping[float, Sequence[Run]] | None = None,
    **changes: Any,
) -> TrainedCells:
    return train_cells(
        {"model": name},
        tasks,
        width=4,
        settings=make_settings(broken=broken, **changes),
        code=code,
        runs=runs,
        checkpoints={rho: folder / f"rho={rho:g}" for rho in tasks},
    )


def train(
    data: TrainingData, folder: Path, name: str = "rnn", code: str = "c", **changes: Any
) -> TrainedCell:
    return train_several({4.0: data}, folder, name, code, **changes).cells[4.0]


def write(folder: Path, trained: TrainedCells, **changes: Any) -> None:
    about: dict[str, Any] = {"resolved": {"width": 4}, "title": "t"}
    write_weights(folder / "a.safetensors", trained, **about)
    settings = make_settings(**changes)
    write_training(folder / "a.nc", trained, settings=settings, device="cpu: test", **about)


def how(caplog: pytest.LogCaptureFixture) -> list[str]:
    """'trained' or 'found finished' for each member since the last call."""
    found = [
        r.getMessage().split(": ")[1].split(",")[0]
        for r in caplog.records
        if "learning rate" in r.getMessage()
    ]
    caplog.clear()
    return found
