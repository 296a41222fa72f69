"""Write the results of training: curves and outcomes as NetCDF, weights as safetensors."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save_file

from mfbench.files import atomic, provenance
from mfbench.files.netcdf import about, write_netcdf
from mfbench.files.paths import rho_text
from mfbench.study.training import TrainingSettings
from mfbench.training.cells import TrainedCells
from mfbench.training.progress import Progress
from mfbench.training.run import Run, axes_of
from mfbench.training.schedule import validation_steps
from mfbench.training.status import STATUS

OF_THE_MODEL = ("parameters", "linear", "state_size", "receptive_field")
_TEXTS = {
    "rho": "knob of the kernel's family",
    "budget": "optimiser steps of a member",
    "learning_rate": "peak learning rate",
    "seed": "seed of initialisation and batch order",
    "step": "validated optimiser step",
    "message": "error of the architecture's own code; empty if there was none",
    "status": "outcome of the training",
    "train_error": "training loss over the variance of the target, mean since the previous "
    "validated step",
    "validation_error": "relative mean squared error on the validation split",
    "memory_over_training": "learned memory function at the validated step, on the validation "
    "split",
    "best_validation_error": "lowest relative mean squared error on the validation split",
    "best_step": "validated step with the lowest validation error; 0 if there is none",
    "diverged_step": "step at which the member diverged; -1 if it did not",
    "seconds": "time spent in training",
    "ensemble_size": "number of members that trained together, itself included",
    "ensemble": "number that identifies these members; 0 if it trained alone",
}


def weight_name(rho: float, run: Run, parameter: str) -> str:
    """Name of a member's tensor in the file of weights."""
    return f"rho={rho_text(rho)}/{run.name}/{parameter}"


def write_weights(
    path: str | Path, trained: TrainedCells, *, resolved: Mapping[str, Any], title: str
) -> None:
    """Write the best weights of all members to one safetensors file, with its provenance.

    Parameters
    ----------
    path : path
        File to write.
    trained : TrainedCells
        A failed cell has no weights.
    resolved : mapping
        All settings of the job, for the file's metadata.
    title : str
        What the file holds.
    """
    tensors = {
        weight_name(rho, run, name): np.ascontiguousarray(array)
        for rho, cell in trained.cells.items()
        for run, progress in cell.members.items()
        for name, array in progress.best_weights().items()
    }
    seeds = sorted({run.seed for cell in trained.cells.values() for run in cell.members})
    with atomic(path) as temporary:
        save_file(
            tensors, temporary, metadata=provenance(title=title, settings=resolved, seeds=seeds)
        )


def curves_and_outcomes(
    trained: TrainedCells, settings: TrainingSettings
) -> dict[str, tuple[tuple[str, ...], Any, dict[str, Any]]]:
    """What training records of all members.

    Parameters
    ----------
    trained : TrainedCells
        A failed cell has a message and no numbers.
    settings : TrainingSettings
        The training section of the study.

    Returns
    -------
    dict
        By name, the dimensions, values and attributes of each variable and label.
    """
    axes = budgets, rates, seeds = axes_of(chain.from_iterable(trained.runs.values()))
    validated = {budget: validation_steps(budget, settings.validations) for budget in budgets}
    steps = sorted(set(chain.from_iterable(validated.values())))
    sizes = [len(trained.cells), len(budgets), len(rates), len(seeds)]
    ran = np.zeros(sizes, bool)
    for i, level in enumerate(trained.cells):
        for run in trained.runs[level]:
            ran[i, *_place(run, axes)] = True

    def each(
        value: Callable[[Progress], Any], failed: Any, kind: str = "f8", size: tuple[int, ...] = ()
    ) -> np.ndarray:
        """A value of every member; a curve lies over the validated steps of its budget."""
        values: np.ndarray = np.full((*sizes, *size), failed, dtype=kind)
        for i, cell in enumerate(trained.cells.values()):
            for run, member in cell.members.items():
                at = i, *_place(run, axes)
                if size:
                    curve = np.asarray(value(member))
                    values[at][np.searchsorted(steps, validated[run.steps][: len(curve)])] = curve
                else:
                    values[at] = value(member)
        return values

    def status(member: Progress) -> int:
        return STATUS.index("diverged" if member.diverged_step >= 0 else "ok")

    grid = ("level", "budget", "learning_rate", "seed")
    outcome = np.where(ran, each(status, STATUS.index("failed"), "i1"), STATUS.index("absent"))
    messages = np.array([cell.message for cell in trained.cells.values()], dtype=object)
    curve, memory = (len(steps),), (len(steps), trained.length)
    values: dict[str, tuple[tuple[str, ...], Any]] = {
        "rho": (("level",), list(trained.cells)),
        "budget": (("budget",), np.array(budgets, "i4")),
        "learning_rate": (("learning_rate",), rates),
        "seed": (("seed",), seeds),
        "step": (("step",), np.array(steps, "i4")),
        "message": (("level",), messages),
        "status": (grid, outcome.astype("i1")),
        "train_error": ((*grid, "step"), each(lambda m: m.train_error, np.nan, size=curve)),
        "validation_error": (
            (*grid, "step"),
            each(lambda m: m.validation_error, np.nan, size=curve),
        ),
        "memory_over_training": (
            (*grid, "step", "lag"),
            each(lambda m: m.memory.cpu().numpy(), np.nan, "f4", memory),
        ),
        "best_validation_error": (
            grid,
            each(lambda m: m.best_error if m.best_step else np.nan, np.nan),
        ),
        "best_step": (grid, each(lambda m: m.best_step, 0, "i4")),
        "diverged_step": (grid, each(lambda m: m.diverged_step, -1, "i4")),
        "seconds": (grid, each(lambda m: m.seconds, np.nan)),
        "ensemble_size": (grid, each(lambda m: m.ensemble_size, 0, "i4")),
        "ensemble": (grid, each(lambda m: m.ensemble, 0, "i4")),
    }
    own: dict[str, dict[str, Any]] = {
        "seconds": {"units": "s"},
        "status": {
            "flag_values": np.arange(len(STATUS), dtype="i1"),
            "flag_meanings": " ".join(STATUS),
        },
    }
    return {
        name: (*found, about(_TEXTS[name], **own.get(name, {}))) for name, found in values.items()
    }


def write_training(
    path: str | Path,
    trained: TrainedCells,
    *,
    settings: TrainingSettings,
    resolved: Mapping[str, Any],
    title: str,
    device: str,
) -> None:
    """Write curves and outcomes of all members to one NetCDF file.

    Parameters
    ----------
    path : path
        File to write.
    trained : TrainedCells
        A failed cell has a message and no numbers.
    settings : TrainingSettings
        The training section of the study.
    resolved : mapping
        All settings of the job, for the file's attributes.
    title : str
        What the file holds.
    device : str
        The hardware on which it was trained.
    """
    variables = curves_and_outcomes(trained, settings)
    # Leave out numbers that are None, because attributes cannot hold it.
    model = {name: getattr(trained, name) for name in OF_THE_MODEL}
    write_netcdf(
        path,
        variables,
        provenance(title=title, settings=resolved, seeds=variables["seed"][1])
        | {"device": device, "precision": "float32, no TF32"}
        | {name: int(value) for name, value in model.items() if value is not None},
    )


def _place(run: Run, axes: Sequence[Sequence[Any]]) -> tuple[int, ...]:
    return tuple(axis.index(label) for axis, label in zip(axes, run, strict=True))
