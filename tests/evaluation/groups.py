"""Trained levels in files, and their evaluation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import xarray as xr

from mfbench.evaluation.group import evaluate_group
from mfbench.evaluation.inputs import read_trained
from mfbench.floors.netcdf import read_floors, write_floors
from mfbench.study.evaluation import EvaluationSettings
from mfbench.study.task import FloorSettings, TaskSettings
from mfbench.study.training import TrainingSettings
from mfbench.tasks.datasets import read_dataset, write_dataset
from mfbench.training.cells import TrainedCells, train_cells
from mfbench.training.data import TrainingData
from mfbench.training.progress import Progress
from mfbench.training.record import write_training, write_weights
from mfbench.training.run import Run
from tests.conftest import architecture_settings

TASK = TaskSettings.model_validate(
    {"length": 16, "sequences": {"train": 64, "validation": 16, "test": 32}}
)
FLOORS = FloorSettings(state_sizes=[1, 4])
TRAINING = TrainingSettings(
    steps=[20],
    batch_size=8,
    learning_rates=[0.003, 0.01],
    seeds=[0, 5],
    validations=5,
    ensemble_size=1,  # no rounding of one member by the others
)


@dataclass(frozen=True)
class Files:
    """The files of one level, trained in a job of its own."""

    dataset: Path
    floors: Path
    training: Path
    weights: Path


def training_data(files: Files) -> TrainingData:
    return TrainingData.of(read_dataset(files.dataset), device=torch.device("cpu"))


def make_level(
    folder: Path,
    name: str,
    rho: float,
    *,
    family: str = "exponential",
    spoil: bool = False,
    runs: Sequence[Run] | None = None,
    **changes: Any,
) -> Files:
    """Dataset, floors, record and weights of one trained level."""
    kinds = ("nc", "f.nc", "t.nc", "safetensors")
    files = Files(*(folder / f"{rho}.{kind}" for kind in kinds))
    write_dataset(files.dataset, settings=TASK, family=family, rho=rho)
    write_floors(files.floors, task=TASK, settings=FLOORS, family=family, rho=rho)
    trained = train_cells(
        architecture_settings(name, **changes),
        {rho: training_data(files)},
        width=4,
        settings=TRAINING,
        code="",
        runs=None if runs is None else {rho: runs},
        checkpoints={rho: folder / f"checkpoints/rho={rho}"},
    )
    if spoil:
        member: Progress = trained.cells[rho].members[Run(20, 0.01, 5)]
        member.diverged_step, member.validation_error[-1] = 20, float("inf")
    write_trained(files, trained)
    return files


def write_trained(files: Files, trained: TrainedCells) -> None:
    about: dict[str, Any] = {"resolved": {}, "title": "t"}
    write_weights(files.weights, trained, **about)
    write_training(files.training, trained, settings=TRAINING, device="cpu: test", **about)


def evaluate_files(architecture: dict[str, Any], files: list[Files], **options: Any) -> xr.Dataset:
    tasks = [(read_dataset(f.dataset, splits=("test",)), read_floors(f.floors)) for f in files]
    pairs = dict.fromkeys((f.training, f.weights) for f in files)
    trained = read_trained([record for record, _ in pairs], [weights for _, weights in pairs])
    return evaluate_group(architecture, tasks, trained, width=4, **options)


def evaluate(name: str, files: list[Files]) -> xr.Dataset:
    settings = EvaluationSettings(probes=32)
    return evaluate_files(architecture_settings(name), files, settings=settings)
