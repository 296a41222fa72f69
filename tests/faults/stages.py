"""What each stage of the tiny study writes and reads, called as its workflow script does."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from mfbench.cube.assemble import assemble_cube
from mfbench.cube.read import open_benchmark
from mfbench.evaluation.group import evaluate_group, write_evaluation
from mfbench.evaluation.inputs import pack_files, task_files
from mfbench.figures.export import draw, write_figure
from mfbench.files import write_json
from mfbench.floors.record import write_floors
from mfbench.report.page import write_report
from mfbench.study.evaluation import EvaluationSettings
from mfbench.study.floors import FloorSettings
from mfbench.study.study import Study, load_study
from mfbench.study.task import TaskSettings
from mfbench.tasks.datasets import read_dataset, task_named, write_dataset
from mfbench.training.checkpoints import Checkpoints
from mfbench.training.data import TrainingData
from mfbench.training.pack import Pack, train_pack
from mfbench.training.record import write_training, write_weights
from mfbench.workflow.plan import evaluation_settings, study_settings, training_settings
from tests.faults.conftest import tiny_study

KERNEL, RHO, ARCHITECTURE = "impulse", "3", "rnn"


@dataclass
class Stages:
    """The stages on one results folder."""

    results: Path

    @property
    def study(self) -> Study:
        """The tiny study."""
        return load_study(tiny_study())

    def task_settings(self) -> dict[str, Any]:
        """Settings of a task, as a training job has them."""
        return self.training_settings()["task"]  # type: ignore[no-any-return]

    def training_settings(self) -> dict[str, Any]:
        """Params of a training job."""
        return training_settings(self.study, architecture=ARCHITECTURE, width=4)

    def train(self, checkpoints: Path) -> Pack:
        """A trained pack, with its checkpoints in a folder."""
        settings = self.training_settings()
        path = self.results / f"datasets/{KERNEL}/rho={RHO}.nc"
        task = read_dataset(
            path,
            splits=("train", "validation"),
            made_for=task_named(path, task=settings["task"], kernel=KERNEL),
        )
        data = TrainingData.of(
            task.x,
            task.y,
            scored_from=task.scored_from,
            variance=task.variance,
            device=torch.device("cpu"),
        )
        return train_pack(
            settings["architecture"],
            {RHO: data},
            width=4,
            settings=self.study.training_of(ARCHITECTURE),
            code="",
            checkpoints=checkpoints,
        )

    def evaluate(self) -> Any:
        """The evaluation of one architecture's levels."""
        r, cells = self.results, f"{ARCHITECTURE}/width=4/{KERNEL}"
        settings = evaluation_settings(self.study, architecture=ARCHITECTURE, width=4)
        rhos = ("3", "5")
        return evaluate_group(
            settings["architecture"],
            task_files(
                [r / f"datasets/{KERNEL}/rho={rho}.nc" for rho in rhos],
                [r / f"floors/{KERNEL}/rho={rho}.nc" for rho in rhos],
                task=settings["task"],
                kernel=KERNEL,
            ),
            pack_files(
                [r / f"training/{cells}/rho={rho}.nc" for rho in rhos],
                [r / f"training/{cells}/rho={rho}.safetensors" for rho in rhos],
                settings=settings,
                names={"architecture": ARCHITECTURE, "width": "4", "kernel": KERNEL},
            ),
            width=4,
            settings=EvaluationSettings.model_validate(settings["evaluation"]),
        )

    def assemble(self, path: Path) -> None:
        """The cube."""
        assemble_cube(
            path,
            [self.results / f"evaluation/{a}/width=4/{KERNEL}.nc" for a in ("rnn", "lru")],
            architectures=["rnn", "lru"],
            kernels=[KERNEL],
            study=study_settings(self.study),
        )

    def cube(self) -> Any:
        """The finished cube."""
        study = study_settings(self.study)
        return open_benchmark(self.results / "cubes/benchmark.nc", made_for=study)


def writers(finished: Stages) -> dict[str, Callable[[Path], None]]:
    """Writer of one file of each kind, by the name of its stage, with all but the writing done."""
    study, about = finished.study, {"resolved": finished.training_settings(), "title": "t"}
    pack = finished.train(finished.results / "checkpoints/for/writers")
    group, cube = finished.evaluate(), finished.cube()
    figure = draw("error_map", cube)

    def write_checkpoint(path: Path) -> None:
        Checkpoints(path.parent).save(0.01, 0, "key", pack.cells[RHO].members[0.01, 0])

    return {
        "d.nc": lambda p: write_dataset(
            p, settings=TaskSettings.model_validate(study.task), family=KERNEL, rho=RHO
        ),
        "f.nc": lambda p: write_floors(
            p,
            task=TaskSettings(length=8),  # quickly computed
            settings=FloorSettings(state_sizes=[2]),
            family=KERNEL,
            rho=RHO,
        ),
        "w.safetensors": lambda p: write_weights(p, pack, **about),
        "t.nc": lambda p: write_training(
            p, pack, settings=study.training_of(ARCHITECTURE), device="cpu", **about
        ),
        "learning_rate=0.01,seed=0.safetensors": write_checkpoint,
        "e.nc": lambda p: write_evaluation(
            p,
            group,
            resolved={"architecture_name": "rnn", "width": 4, "kernel": KERNEL},
            title="t",
        ),
        "b.nc": finished.assemble,
        "levels.json": lambda p: write_json(p, {"groups": [json.dumps(study.model_dump())]}),
        "figure.json": lambda p: write_figure(p.with_suffix(""), figure),
        "report.html": lambda p: write_report(p, cube=cube, figures={"error_map": figure}),
    }
