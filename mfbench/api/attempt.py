"""Try a model on one task: a study of a few members, in memory and in a minute."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import xarray as xr

from mfbench.api.check import model_settings
from mfbench.cube.assemble import assemble_cube
from mfbench.cube.read import open_benchmark
from mfbench.cube.select import longest
from mfbench.evaluation.group import evaluate_group, write_evaluation
from mfbench.evaluation.inputs import read_trained
from mfbench.files.paths import rho_text
from mfbench.floors.netcdf import Floors
from mfbench.floors.table import order_for_error
from mfbench.study.evaluation import EvaluationSettings, Perturbations
from mfbench.study.kernel import KernelSettings
from mfbench.study.task import Sequences, TaskSettings
from mfbench.study.training import EXECUTION, Checkpoints, TrainingSettings
from mfbench.tasks.datasets import read_dataset, write_dataset
from mfbench.tasks.kernels.memory import window_weights
from mfbench.training.cells import train_cells
from mfbench.training.data import TrainingData
from mfbench.training.device import (
    choose_device,
    describe_device,
    memory_share,
    prepare_process,
)
from mfbench.training.record import write_training, write_weights
from mfbench.training.trainer import Member

_SEQUENCES = Sequences(train=2048, validation=128, test=256)
# What is not shown takes as little time as possible.
_EVALUATION = EvaluationSettings(
    perturbations=Perturbations(relative_norms=[0.0], repeats=1, sequences=1),
    length_factors=[2],
    length_sequences=1,
)
_SAVED = 1.0  # seconds between two calls of `watch`


@dataclass(frozen=True)
class Attempt:
    """A model that was tried on one task.

    Attributes
    ----------
    cube : Dataset
        A benchmark cube of one architecture, width, kernel and level, with the cause of a failure.
    interrupted : bool
        Whether the training ended early, so that some members lack steps.
    seconds : float
        Time for all of it.
    """

    cube: xr.Dataset
    interrupted: bool
    seconds: float


def attempt(
    model: str,
    *,
    kernel: str,
    memory_length: int | None = None,
    rho: float | None = None,
    options: Mapping[str, Any] | None = None,
    width: int = 16,
    length: int = 64,
    steps: int = 500,
    learning_rates: Sequence[float] = (0.01, 0.03),
    seeds: int = 2,
    device: str = "auto",
    watch: Callable[[float], None] | None = None,
) -> Attempt:
    """Train a few members of a model on one task, and measure them.

    Parameters
    ----------
    model : str
        What a study names: a registered architecture or ``path/to/file.py:Class``.
    kernel : str
        A registered family, or ``path/to/file.py:FAMILY``.
    memory_length : int, optional
        Effective memory length M99 of the task, in steps.
    rho : float, optional
        The family's own knob, in place of the memory length.
    options : mapping, optional
        The model's own options.
    width, length, steps, learning_rates, seeds, device
        As in a study; `seeds` is their number.
    watch : callable, optional
        Called about once a second with the share of all steps that are done. With it, a
        KeyboardInterrupt ends the training early, with what there is.

    Raises
    ------
    ValueError
        The model or the task is not possible, or the model breaks a promise.
    """
    start = time.perf_counter()
    task = TaskSettings(length=length, sequences=_SEQUENCES)
    settings = model_settings(model, options=options, width=width, length=length)
    given = {"memory_length": [memory_length]} if rho is None else {"rho": [rho]}
    weights = window_weights(length, task.scored_from)
    (level,) = KernelSettings(family=kernel, **given).levels(
        length=length, longest=max(_EVALUATION.length_factors) * length, weights=weights
    )
    training = TrainingSettings(
        steps=[steps],
        learning_rates=list(learning_rates),
        seeds=list(range(seeds)),
        memory_probes=0,
        broken="stop",
        checkpoints=Checkpoints(minutes=_SAVED / 60),
    )
    chosen = choose_device(device)
    prepare_process(threads=1)
    every = steps * len(training.learning_rates) * seeds

    def look(members: Sequence[Member]) -> None:
        assert watch is not None
        done = (steps if m.finished else m.progress.step for m in members if m.progress)
        watch(sum(done) / every)

    names = {
        "architecture_name": model.rpartition(":")[2],
        "width": width,
        "kernel": kernel.rpartition(":")[2],
    }
    about: dict[str, Any] = {
        "resolved": {
            **names,
            "task": task.model_dump(),
            "architecture": settings,
            "training": training.model_dump(exclude=set(EXECUTION)),
            "evaluation": _EVALUATION.model_dump(exclude={"success"}),
            "file": names,
        },
        "title": f"mfbench try: {model}, width {width}, {kernel}, rho = {rho_text(level.rho)}",
    }
    with tempfile.TemporaryDirectory(prefix="mfbench-try-") as folder:
        file = partial(Path, folder)
        write_dataset(file("task.nc"), settings=task, family=kernel, rho=level.rho)
        data = read_dataset(file("task.nc"))
        share = memory_share(chosen, 1)
        on_device = TrainingData.of(data.x, data.y, scored_from=data.scored_from, device=chosen)
        trained = train_cells(
            settings,
            {level.rho: on_device},
            width=width,
            settings=training,
            code="",
            checkpoints={level.rho: file("members")},
            share=share,
            watch=None if watch is None else look,
        )
        record, best = file("record.nc"), file("best.safetensors")
        write_weights(best, trained, **about)
        write_training(record, trained, settings=training, device=describe_device(chosen), **about)
        order = order_for_error(data.kernel, data.weights)
        group = evaluate_group(
            settings,
            [(data, Floors(data.kernel, data.weights, order=order, bounds={}))],
            read_trained([record], [best]),
            width=width,
            settings=_EVALUATION,
            device=chosen,
            share=share,
            stop=True,
        )
        write_evaluation(file("evaluation.nc"), group, **about)
        members = trained.cells[level.rho].members.values()
        interrupted = sum(m.finished for m in members) * steps < every
        assemble_cube(
            file("cube.nc"),
            [file("evaluation.nc")],
            architectures=[names["architecture_name"]],
            kernels=[names["kernel"]],
            study={
                "name": "try",
                "task": task.model_dump(),
                "kernels": {names["kernel"]: [level.model_dump()]},
                "architectures": {
                    names["architecture_name"]: {**settings, "widths": [width], "training": {}}
                },
                "training": about["resolved"]["training"],
                "evaluation": _EVALUATION.model_dump(),
            },
            partial=interrupted,
        )
        cube = open_benchmark(file("cube.nc"))
    return Attempt(longest(cube), interrupted, time.perf_counter() - start)
