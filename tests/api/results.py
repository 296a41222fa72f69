"""The results of a small study, made stage by stage without Snakemake."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from mfbench.cube.assemble import assemble_cube
from mfbench.evaluation.group import evaluate_group, write_evaluation
from mfbench.evaluation.inputs import read_trained
from mfbench.files.paths import Paths
from mfbench.floors.netcdf import read_floors, write_floors
from mfbench.study.evaluation import EvaluationSettings
from mfbench.study.task import FloorSettings, TaskSettings
from mfbench.study.training import EXECUTION, TrainingSettings
from mfbench.tasks.datasets import read_dataset, write_dataset
from mfbench.training.cells import train_cells
from mfbench.training.data import TrainingData
from mfbench.training.record import write_training, write_weights
from tests.conftest import architecture_settings

TASK = TaskSettings.model_validate(
    {"length": 16, "sequences": {"train": 64, "validation": 16, "test": 32}}
)
TRAINING = TrainingSettings.model_validate(
    {
        "steps": 20,
        "batch_size": 16,
        "learning_rates": [0.003, 0.03],
        "seeds": [0, 1],
        "validations": 4,
        "memory_probes": 4,
    }
)
EVALUATION = EvaluationSettings(probes=16, length_sequences=8)
KERNEL, RHOS, WIDTH = "exponential", (0.3, 0.6), 4
ARCHITECTURES = {
    "s4d": architecture_settings("s4d", options={"state": 2}),
    "rnn": architecture_settings("rnn"),
}


def make_results(
    folder: Path,
    task: TaskSettings = TASK,
    architectures: Mapping[str, dict[str, Any]] = ARCHITECTURES,
    *,
    kernel: str = KERNEL,
    rhos: Sequence[float] = RHOS,
    width: int = WIDTH,
    training: TrainingSettings = TRAINING,
    evaluation: EvaluationSettings = EVALUATION,
) -> Paths:
    """Write the results of a study of one kernel family and one width to a folder."""
    paths = Paths(folder)
    for rho in rhos:
        dataset, floors = (paths.file(k, kernel=kernel, rho=rho) for k in ("dataset", "floors"))
        write_dataset(dataset, settings=task, family=kernel, rho=rho)
        write_floors(
            floors, task=task, settings=FloorSettings(state_sizes=[1]), family=kernel, rho=rho
        )
    tasks = [
        (
            read_dataset(paths.file("dataset", kernel=kernel, rho=rho), task=task.model_dump()),
            read_floors(paths.file("floors", kernel=kernel, rho=rho), task=task.model_dump()),
        )
        for rho in rhos
    ]
    numbers = {
        "task": task.model_dump(),
        "training": training.model_dump(exclude=set(EXECUTION)),
        "evaluation": evaluation.model_dump(exclude={"success"}),
    }
    evaluations = []
    for name, architecture in architectures.items():
        names: dict[str, Any] = {"architecture": name, "width": width, "kernel": kernel}
        files = {**names, "phase": "study"}
        settings = {**numbers, "architecture": architecture, "width": width}
        about: dict[str, Any] = {
            "resolved": {**settings, "file": {**files, "part": 1}},
            "title": "",
        }
        record, weights = (paths.file(k, part=1, **files) for k in ("record", "weights"))
        trained = train_cells(
            architecture,
            {task.rho: TrainingData.of(task, device=torch.device("cpu")) for task, _ in tasks},
            width=width,
            settings=training,
        )
        write_weights(weights, trained, **about)
        write_training(record, trained, settings=training, device="cpu", **about)
        group = evaluate_group(
            architecture, tasks, read_trained([record], [weights]), width=width, settings=evaluation
        )
        evaluations.append(paths.file("evaluation", **files))
        resolved = {**settings, "architecture_name": name, "kernel": kernel, "file": files}
        write_evaluation(evaluations[-1], group, resolved=resolved, title="")
    levels = [
        {"family": kernel, "rho": task.rho, "memory_length": task.memory_length}
        for task, _ in tasks
    ]
    study = {
        "name": "small",
        **numbers,
        "evaluation": evaluation.model_dump(),
        "kernels": {kernel: levels},
        "architectures": {
            name: {**entry, "widths": [width], "training": {}}
            for name, entry in architectures.items()
        },
    }
    assemble_cube(
        paths.file("benchmark"),
        evaluations,
        architectures=list(architectures),
        kernels=[kernel],
        study=study,
    )
    return paths
