"""Train a model on a task, at several learning rates and seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import xarray as xr
from torch import nn

from mfbench.api.defaults import BATCH, LEARNING_RATES, SEEDS, STEPS, WIDTH
from mfbench.api.keywords import keywords_checked
from mfbench.api.models import Architecture, settings_of
from mfbench.api.notebook import table
from mfbench.api.sections import checked, seed_list
from mfbench.api.tasks import Task, check_task
from mfbench.evaluation.error import relative_mse
from mfbench.evaluation.statistics import select_learning_rates
from mfbench.models.build import build_model, name_of
from mfbench.models.ensemble import Ensemble
from mfbench.models.model import Model
from mfbench.models.own_code import own_code
from mfbench.models.trial import seeded
from mfbench.study.training import TrainingSettings
from mfbench.training.cells import Report, TrainedCells, train_cells
from mfbench.training.data import TrainingData
from mfbench.training.device import choose_device, memory_share, prepared
from mfbench.training.progress import Progress
from mfbench.training.record import curves_and_outcomes
from mfbench.training.run import Run
from mfbench.training.status import STATUS
from mfbench.words import counted

_BATCH = 256  # test sequences at once


@dataclass(frozen=True, eq=False, repr=False)
class Training:
    """What `train` returns: all runs, and the best module.

    Attributes
    ----------
    runs : Dataset
        Over learning_rate and seed, with the names of a cube: ``status`` ('ok' or 'diverged'),
        ``relative_mse`` on the test split (NaN if it diverged), ``validation_error`` and
        ``train_error`` over step, ``best_validation_error``, ``best_step``, ``seconds`` and the
        rest of a training record, and by seed the ``selected_learning_rate``.
    module : Module
        The run with the lowest validation error, in evaluation mode.
    task : Task
        The task.
    """

    runs: xr.Dataset
    module: nn.Module
    task: Task

    @property
    def best(self) -> xr.Dataset:
        """The run of `module`."""
        errors = self.runs.best_validation_error.where(self.runs.status == "ok", np.inf)
        return self.runs.isel(errors.argmin(...))

    @property
    def error(self) -> float:
        """Relative test error of `module`."""
        return float(self.best.relative_mse)

    def __repr__(self) -> str:
        return "\n".join(f"{name}: {text}" for name, text in self._summary().items())

    def _repr_html_(self) -> str:
        errors = self.runs.relative_mse.to_series().unstack("seed")
        return table(self._summary()) + str(errors.to_html(float_format="{:.3g}".format))

    def _summary(self) -> dict[str, str]:
        best, runs = self.best, self.runs
        diverged = int((runs.status == "diverged").sum())
        return {
            "Training": str(runs.attrs["model"]),
            "task": repr(self.task),
            "best test error": f"{self.error:.3g} (1 = predicting zero), at learning rate "
            f"{float(best.learning_rate):g}, seed {int(best.seed)}",
            "runs": f"{runs.status.size}, of which {diverged} diverged",
        }


@keywords_checked
def train(
    model: Architecture | nn.Module | Training,
    task: Task,
    *,
    steps: int = STEPS,
    learning_rates: float | Sequence[float] = LEARNING_RATES,
    seeds: int | Sequence[int] = SEEDS,
    device: str = "auto",
    progress: Report | None = None,
    width: int = WIDTH,
    options: Mapping[str, Any] | None = None,
    training: Mapping[str, Any] | None = None,
) -> Training:
    """Train a model once for each learning rate and seed, as a study does.

    The promises of all models are checked first (docs/models.md). Runs train together where that
    is faster; up to rounding, each gets the same numbers as alone.

    Parameters
    ----------
    model : str, callable, Module or Training
        As in `build`; a class or function builds one model per seed, from torch's generator. A
        module is copied, and all runs start from its weights; of an earlier result, from those of
        its best module.
    task : Task
    steps : int
        Number of optimiser steps.
    learning_rates : number or sequence
        Peak learning rates.
    seeds : int or sequence
        Seeds of initialisation and batch order: a number n stands for 0 to n - 1.
    device : {"auto", "cpu", "cuda"}
        auto: a GPU, if there is one.
    progress : callable, optional
        Called as ``progress(done, total)`` with steps of all runs.
    width : int
        Number of channels.
    options : mapping, optional
        Arguments of the architecture's constructor, and the settings of a stack of mixers.
    training : mapping, optional
        Further settings of the section ``training`` of a study, such as ``batch_size``.

    Raises
    ------
    TypeError
        The task is not a Task.
    ValueError
        The model cannot be built, breaks a promise, or its code fails; every run diverged; or
        `training` has a setting that is an argument here.

    Notes
    -----
    While it trains, torch is set up as in a study: no TF32, and denormal numbers are flushed to
    zero.

    Examples
    --------
    >>> import mfbench as mf
    >>> task = mf.Task("exponential", memory_length=4, length=16, sequences=64)
    >>> found = mf.train("lru", task, steps=20, seeds=1, width=4)
    >>> found.runs.sizes["learning_rate"], found.error < 2
    (2, True)
    """
    check_task(task)
    own = {"steps": [steps], "seeds": seed_list(seeds), "device": device, "broken": "stop"}
    own["learning_rates"] = np.atleast_1d(learning_rates).tolist()
    if twice := sorted(own.keys() & (training or {}).keys()):
        raise ValueError(
            f"training must not contain {', '.join(twice)}: give them as arguments of train()"
        )
    usual = {"memory_probes": 0, "batch_size": min(BATCH, len(task.x["train"]))}
    settings = checked(TrainingSettings, {**usual, **(training or {}), **own})
    architecture = settings_of(
        model.module if isinstance(model, Training) else model,
        options or {},
        width=width,
        length=task.length,
        d_in=task.settings.channels,
    )
    assert task.rho is not None
    with prepared():
        where, data = choose_device(settings.device), task.data
        trained = train_cells(
            architecture,
            {task.rho: TrainingData.of(data, device=where)},
            width=width,
            settings=settings,
            share=memory_share(where, 1),
            report=progress,
        )
        members = trained.cells[task.rho].members
        modules = {
            run: _module(architecture, member, width=width, task=task, device=where)
            for run, member in members.items()
            if member.diverged_step < 0
        }
        errors = _test_errors(modules, task, where)
    if not modules:
        lowest = min(settings.learning_rates)
        raise ValueError(
            f"{len(members)} of {counted(len(members), 'run')} diverged: try learning rates below "
            f"{lowest:g}"
        )
    best = min(modules, key=lambda run: members[run].best_error)
    declared = ("parameters", "state_size", "receptive_field", "linear")
    about = {"model": name_of(architecture["model"])} | {
        name: int(value) for name in declared if (value := getattr(trained, name)) is not None
    }
    return Training(_runs(trained, errors, settings).assign_attrs(about), modules[best].root, task)


def _module(
    architecture: Mapping[str, Any],
    member: Progress,
    *,
    width: int,
    task: Task,
    device: torch.device,
) -> Model:
    """The model of a run at its best step."""
    weights = {name: torch.from_numpy(array) for name, array in member.best_weights().items()}
    with own_code(), seeded(0):
        channels = task.settings.channels
        model = build_model(architecture, width=width, length=task.length, d_in=channels)
        model.load_state_dict(weights)
        return model.to(device).eval()


def _test_errors(
    modules: Mapping[Run, Model], task: Task, device: torch.device
) -> dict[Run, float]:
    test = task.data.inputs("test"), task.y["test"]
    x, y = (torch.from_numpy(values).to(device)[None] for values in test)
    return {
        run: float(
            relative_mse(
                Ensemble([model]), x, y, scored_from=task.data.scored_from, batch_size=_BATCH
            )[0]
        )
        for run, model in modules.items()
    }


def _runs(
    trained: TrainedCells, errors: Mapping[Run, float], settings: TrainingSettings
) -> xr.Dataset:
    """All runs, with the names of a cube."""
    variables = curves_and_outcomes(trained, settings)
    runs = xr.Dataset(
        {
            name: (dims, values, {"long_name": about["long_name"]})
            for name, (dims, values, about) in variables.items()
        }
    )
    runs = runs.isel(level=0, budget=0, drop=True).drop_vars(["rho", "message"])
    runs = runs.set_coords(["learning_rate", "seed", "step"])
    if not settings.memory_probes:
        runs = runs.drop_vars("memory_over_training")
    words = np.array(STATUS, dtype=object)[runs.status.values]
    chosen = select_learning_rates(runs.best_validation_error.values, words == "diverged")
    tested = [
        [
            errors.get(Run(settings.steps[0], rate, seed), np.nan)
            for seed in runs.seed.values.tolist()
        ]
        for rate in runs.learning_rate.values.tolist()
    ]
    dims = runs.status.dims
    return runs.assign(
        status=(dims, words, runs.status.attrs),
        relative_mse=(dims, tested, {"long_name": "relative mean squared error on the test split"}),
        selected_learning_rate=(
            "seed",
            runs.learning_rate.values[chosen],
            {"long_name": "learning rate that is best for the other seeds"},
        ),
    )
