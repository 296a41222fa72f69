"""Write the results of training: curves and outcomes as NetCDF, weights as safetensors."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np
from safetensors.numpy import save_file

from mfbench.files import atomic, provenance
from mfbench.files.paths import rho_text
from mfbench.study.training import TrainingSettings
from mfbench.training.cells import TrainedCells
from mfbench.training.progress import Progress
from mfbench.training.run import Run, axes_of
from mfbench.training.schedule import validation_steps
from mfbench.training.status import STATUS


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
) -> list[tuple[str, tuple[str, ...], np.ndarray, str, str]]:
    """What training records of all members.

    Parameters
    ----------
    trained : TrainedCells
        A failed cell has a message and no numbers.
    settings : TrainingSettings
        The training section of the study.

    Returns
    -------
    list of tuple
        Name, dimensions, values, long name and units of each variable and label.
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
        """A value of every member, (level, budget, learning rate, seed, *size)."""
        values: np.ndarray = np.full((*sizes, *size), failed, dtype=kind)
        for i, cell in enumerate(trained.cells.values()):
            for run, member in cell.members.items():
                mine = values[i, *_place(run, axes)]
                if size:  # a curve, over the validated steps of its budget
                    curve = np.asarray(value(member))
                    mine[np.searchsorted(steps, validated[run.steps][: len(curve)])] = curve
                else:
                    values[i, *_place(run, axes)] = value(member)
        return values

    def status(member: Progress) -> int:
        return STATUS.index("diverged" if member.diverged_step >= 0 else "ok")

    grid = ("level", "budget", "learning_rate", "seed")
    rho = np.array(list(trained.cells))
    message = np.array([cell.message for cell in trained.cells.values()], dtype=object)
    outcome = np.where(ran, each(status, STATUS.index("failed"), "i1"), STATUS.index("absent"))
    return [
        ("rho", grid[:1], rho, "knob of the kernel's family", "1"),
        ("budget", grid[1:2], np.array(budgets, "i4"), "optimiser steps of a member", "1"),
        ("learning_rate", grid[2:3], np.array(rates), "peak learning rate", "1"),
        ("seed", grid[3:], np.array(seeds), "seed of initialisation and batch order", "1"),
        ("step", ("step",), np.array(steps, "i4"), "validated optimiser step", "1"),
        (
            "message",
            grid[:1],
            message,
            "error of the architecture's own code; empty if there was none",
            "1",
        ),
        ("status", grid, outcome.astype("i1"), "outcome of the training", "1"),
        (
            "train_error",
            (*grid, "step"),
            each(lambda m: m.train_error, np.nan, size=(len(steps),)),
            "training loss over the variance of the target, mean since the previous validated step",
            "1",
        ),
        (
            "validation_error",
            (*grid, "step"),
            each(lambda m: m.validation_error, np.nan, size=(len(steps),)),
            "relative mean squared error on the validation split",
            "1",
        ),
        (
            "memory_over_training",
            (*grid, "step", "lag"),
            each(lambda m: m.memory.cpu().numpy(), np.nan, "f4", (len(steps), trained.length)),
            "learned memory function at the validated step, on the validation split",
            "1",
        ),
        (
            "best_validation_error",
            grid,
            each(lambda m: m.best_error if m.best_step else np.nan, np.nan),
            "lowest relative mean squared error on the validation split",
            "1",
        ),
        (
            "best_step",
            grid,
            each(lambda m: m.best_step, 0, "i4"),
            "validated step with the lowest validation error; 0 if there is none",
            "1",
        ),
        (
            "diverged_step",
            grid,
            each(lambda m: m.diverged_step, -1, "i4"),
            "step at which the member diverged; -1 if it did not",
            "1",
        ),
        ("seconds", grid, each(lambda m: m.seconds, np.nan), "time spent in training", "s"),
        (
            "ensemble_size",
            grid,
            each(lambda m: m.ensemble_size, 0, "i4"),
            "number of members that trained together, itself included",
            "1",
        ),
        (
            "ensemble",
            grid,
            each(lambda m: m.ensemble, 0, "i4"),
            "number that identifies these members; 0 if it trained alone",
            "1",
        ),
    ]


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
    sizes: dict[str, int] = {}
    for _, dims, values, _, _ in variables:
        sizes |= dict(zip(dims, values.shape, strict=True))
    with atomic(path) as temporary, netCDF4.Dataset(temporary, "w") as file:
        seeds = next(values.tolist() for name, _, values, _, _ in variables if name == "seed")
        file.setncatts(provenance(title=title, settings=resolved, seeds=seeds))
        file.setncatts({"device": device, "precision": "float32, no TF32"})
        # Leave out numbers that are None, because attributes cannot hold it.
        for name in ("parameters", "linear", "state_size", "receptive_field"):
            if (value := getattr(trained, name)) is not None:
                file.setncattr(name, int(value))
        for name, size in sizes.items():
            file.createDimension(name, size)
        for name, dims, values, long_name, units in variables:
            made = file.createVariable(name, str if values.dtype == object else values.dtype, dims)
            made[:] = values
            made.setncatts({"long_name": long_name, "units": units})
        file["status"].setncatts(
            {"flag_values": np.arange(len(STATUS), dtype="i1"), "flag_meanings": " ".join(STATUS)}
        )


def _place(run: Run, axes: Sequence[Sequence[Any]]) -> tuple[int, ...]:
    return tuple(axis.index(label) for axis, label in zip(axes, run, strict=True))
