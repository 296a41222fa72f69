"""What each stage of the tiny study writes and reads, called as its workflow script does."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
import xarray as xr

from mfbench.cube.assemble import assemble_cube
from mfbench.cube.read import open_benchmark
from mfbench.evaluation.group import evaluate_group
from mfbench.evaluation.inputs import read_trained
from mfbench.files.paths import Paths
from mfbench.floors.netcdf import Floors, read_floors
from mfbench.study.evaluation import EvaluationSettings
from mfbench.study.study import Study, load_study
from mfbench.tasks.datasets import read_dataset
from mfbench.training.cells import TrainedCells, train_cells
from mfbench.training.data import TrainingData
from mfbench.workflow.plan import evaluation_settings, study_settings, training_settings
from tests.faults.conftest import tiny_study

GROUP: dict[str, Any] = {"architecture": "rnn", "width": 4, "kernel": "impulse"}
LEVELS = (3.0, 5.0)


@dataclass
class Stages:
    """The stages on one results folder, for a study that may differ from the one that made it."""

    results: Path
    settings: dict[str, Any] = field(default_factory=tiny_study)

    @property
    def study(self) -> Study:
        """The study that the stages work for."""
        return load_study(self.settings)

    def files(self, kind: str, each: str, values: tuple[float, ...]) -> list[str]:
        """The group's files of a kind."""
        names = {**GROUP, "phase": "study"}
        return [Paths(self.results).file(kind, **names, **{each: value}) for value in values]

    def train(self, checkpoints: Path) -> TrainedCells:
        """The first level, trained with its checkpoints in a folder."""
        settings = training_settings(self.study, architecture="rnn", width=4)
        (path,) = self.files("dataset", "rho", LEVELS[:1])
        task = read_dataset(path, splits=("train", "validation"), task=settings["task"])
        data = TrainingData.of(task, device=torch.device("cpu"))
        return train_cells(
            settings["architecture"],
            {task.rho: data},
            width=4,
            settings=self.study.training_of("rnn"),
            code="",
            checkpoints={task.rho: checkpoints},
        )

    def floors(self) -> list[Floors]:
        """The floors of the group's levels."""
        task = self.study.task.model_dump()
        return [read_floors(path, task=task) for path in self.files("floors", "rho", LEVELS)]

    def evaluate(self) -> xr.Dataset:
        """The evaluation of the group."""
        settings = evaluation_settings(self.study, architecture="rnn", width=4)
        tasks = [
            read_dataset(path, splits=("test",), task=settings["task"])
            for path in self.files("dataset", "rho", LEVELS)
        ]
        made_with = {k: v for k, v in settings.items() if k not in ("evaluation", "execution")}
        return evaluate_group(
            settings["architecture"],
            list(zip(tasks, self.floors(), strict=True)),
            read_trained(
                self.files("record", "part", (1, 2)),
                self.files("weights", "part", (1, 2)),
                made_with=made_with,
            ),
            width=4,
            settings=EvaluationSettings.model_validate(settings["evaluation"]),
        )

    def assemble(self, path: Path) -> None:
        """The cube."""
        study, paths = self.study, Paths(self.results)
        assemble_cube(
            path,
            [
                paths.file("evaluation", phase="study", architecture=a, width=w, kernel=k)
                for a, w, k in study.groups()
            ],
            architectures=list(study.architectures),
            kernels=list(study.kernels),
            study=study_settings(study),
            baselines=self.files("baselines", "rho", LEVELS),
        )

    def cube(self) -> xr.Dataset:
        """The finished cube."""
        path = Paths(self.results).file("benchmark")
        return open_benchmark(path, made_for=study_settings(self.study))
