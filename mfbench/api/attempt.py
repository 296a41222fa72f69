"""Try a model on one task: a study of a few members that takes a minute and leaves no files."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import xarray as xr

from mfbench.api.defaults import BATCH, LEARNING_RATES, SEEDS, STEPS, WIDTH
from mfbench.api.models import settings_of
from mfbench.api.sections import checked, seed_list
from mfbench.api.tasks import Task
from mfbench.cube.assemble import assemble_cube
from mfbench.cube.causes import cause_variables
from mfbench.cube.read import open_benchmark
from mfbench.cube.select import longest
from mfbench.evaluation.group import evaluate_group, write_evaluation
from mfbench.evaluation.inputs import read_trained
from mfbench.files.paths import rho_text
from mfbench.floors.netcdf import Floors
from mfbench.floors.table import order_for_error
from mfbench.models.build import name_of
from mfbench.study.evaluation import EvaluationSettings, Perturbations
from mfbench.study.training import EXECUTION, TrainingSettings
from mfbench.training.cells import train_cells
from mfbench.training.data import TrainingData
from mfbench.training.device import choose_device, describe_device, memory_share, prepared
from mfbench.training.record import write_training, write_weights

# What is not shown takes as little time as possible.
_EVALUATION = EvaluationSettings(
    perturbations=Perturbations(relative_norms=[0.0], repeats=1, sequences=1),
    length_factors=[2],
    length_sequences=1,
)


@dataclass(frozen=True)
class Attempt:
    """A model that was tried on one task.

    Attributes
    ----------
    cube : Dataset
        A benchmark cube of one architecture, width, kernel and level.
    interrupted : bool
        Whether the training ended early, so that some members lack steps.
    seconds : float
        Time for all of it.
    """

    cube: xr.Dataset
    interrupted: bool
    seconds: float


@prepared(threads=1)
def attempt(
    model: str,
    task: Task,
    *,
    options: Mapping[str, Any] | None = None,
    width: int = WIDTH,
    steps: int = STEPS,
    learning_rates: Sequence[float] = LEARNING_RATES,
    seeds: int | Sequence[int] = SEEDS,
    device: str = "auto",
    report: Callable[[int, int], None] | None = None,
    partial: bool = False,
) -> Attempt:
    """Train a few members of a model on one task, and measure them.

    Parameters
    ----------
    model : str
        A reference as in `build`, because the cube records it.
    task : Task
    options : mapping, optional
        Arguments of its constructor, and the settings of a stack of mixers.
    width, steps, learning_rates, device
        As in a study.
    seeds : int or sequence
        As in `train`.
    report : callable, optional
        Called with the steps done and the steps to do, over all members, again and again.
    partial : bool
        Whether KeyboardInterrupt ends the training early, with what there is.

    Raises
    ------
    ValueError
        The model cannot be built or breaks a promise, or a number lies outside its range.

    Examples
    --------
    >>> task = Task("impulse", rho=2, length=16, sequences=64)
    >>> tried = attempt("rnn", task, width=4, steps=10, device="cpu")
    >>> tried.cube.relative_mse.dims[-2:], tried.interrupted
    (('learning_rate', 'seed'), False)
    """
    start = time.perf_counter()
    settings = settings_of(
        model, options or {}, width=width, length=task.length, d_in=task.settings.channels
    )
    training = checked(
        TrainingSettings,
        {
            "steps": [steps],
            "batch_size": min(BATCH, task.settings.sequences.train),
            "learning_rates": list(learning_rates),
            "seeds": seed_list(seeds),
            "memory_probes": 0,
            "broken": "stop",
        },
    )
    chosen = choose_device(device)
    share = memory_share(chosen, 1)
    data, family = task.data, str(task.family)
    name, kernel = name_of(settings["model"]).rpartition(":")[2], Path(family).name
    study = {
        "name": "try",
        "task": task.settings.model_dump(),
        "kernels": {
            kernel: [{"family": family, "rho": data.rho, "memory_length": data.memory_length}]
        },
        "architectures": {name: {**settings, "widths": [width], "training": {}}},
        "training": training.model_dump(exclude=set(EXECUTION)),
        "evaluation": _EVALUATION.model_dump(),
    }
    names = {"architecture_name": name, "width": width, "kernel": kernel}
    about: dict[str, Any] = {
        "resolved": {
            **names,
            "task": study["task"],
            "architecture": settings,
            "training": study["training"],
            "evaluation": _EVALUATION.model_dump(exclude={"success"}),
            "file": names,
        },
        "title": f"mfbench try: {name}, width {width}, {kernel}, rho = {rho_text(data.rho)}",
    }
    trained = train_cells(
        settings,
        {data.rho: TrainingData.of(data, device=chosen)},
        width=width,
        settings=training,
        share=share,
        report=report,
        partial=partial,
    )
    members = trained.cells[data.rho].members.values()
    planned = len(training.learning_rates) * len(training.seeds)
    interrupted = sum(member.finished for member in members) < planned
    order = order_for_error(data.kernel, data.weights)
    floors = Floors(
        data.kernel,
        data.weights,
        order=order,
        bounds={},
        marks=data.marks,
        scored_from=data.scored_from,
    )
    with tempfile.TemporaryDirectory(prefix="mfbench-try-") as folder:
        record, weights = Path(folder, "record.nc"), Path(folder, "weights.safetensors")
        evaluation, cube = Path(folder, "evaluation.nc"), Path(folder, "cube.nc")
        write_weights(weights, trained, **about)
        write_training(record, trained, settings=training, device=describe_device(chosen), **about)
        group = evaluate_group(
            settings,
            [(data, floors)],
            read_trained([record], [weights]),
            width=width,
            settings=_EVALUATION,
            device=chosen,
            share=share,
            stop=True,
        )
        write_evaluation(evaluation, group, **about)
        assemble_cube(
            cube,
            [evaluation],
            architectures=[name],
            kernels=[kernel],
            study=study,
            partial=interrupted,
        )
        found = longest(open_benchmark(cube))
    if interrupted:  # the steps that were not taken are no plateau
        taken = found.validation_error.notnull().any(set(found.validation_error.dims) - {"step"})
        found = found.isel(step=taken.values)
        found = found.assign(cause_variables(found, {}).data_vars)
    return Attempt(found, interrupted, time.perf_counter() - start)
