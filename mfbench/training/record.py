"""What a trained cell leaves behind: curves and outcomes as NetCDF, weights as safetensors."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np
from safetensors.numpy import save_file

from mfbench.config.training import TrainingSettings
from mfbench.storage import atomic, provenance
from mfbench.training.cell import Cell
from mfbench.training.member import Progress, member_name
from mfbench.training.schedule import validation_steps
from mfbench.training.status import STATUS


def weight_name(learning_rate: float, seed: int, parameter: str) -> str:
    """Name of a member's tensor in the file of weights."""
    return f"{member_name(learning_rate, seed)}/{parameter}"


def write_weights(path: str | Path, cell: Cell, *, resolved: Mapping[str, Any], title: str) -> None:
    """Write the best weights of all members to one safetensors file, with its provenance.

    Parameters
    ----------
    path : path
        File to write.
    cell : Cell
        The trained cell.
    resolved : mapping
        All settings of the cell, for the file's metadata.
    title : str
        What the file holds.
    """
    tensors = {
        weight_name(*member, name): np.ascontiguousarray(array)
        for member, progress in cell.members.items()
        for name, array in progress.best_weights().items()
    }
    with atomic(path) as temporary:
        seeds = sorted({seed for _, seed in cell.members})
        save_file(
            tensors, temporary, metadata=provenance(title=title, settings=resolved, seeds=seeds)
        )


def write_training(
    path: str | Path,
    cell: Cell,
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
    cell : Cell
        The trained cell.
    settings : TrainingSettings
        The training section of the study.
    resolved : mapping
        All settings of the cell, for the file's attributes.
    title : str
        What the file holds.
    device : str
        The hardware that it was trained on.
    """
    rates, seeds = settings.learning_rates, settings.seeds
    steps = validation_steps(settings.steps, settings.validations)
    members = [[cell.members[rate, seed] for seed in seeds] for rate in rates]

    def each(value: Any, kind: str = "f8") -> np.ndarray:
        return np.array([[value(member) for member in row] for row in members], dtype=kind)

    def padded(curve: list[float]) -> list[float]:
        return curve + [np.nan] * (len(steps) - len(curve))

    def status(member: Progress) -> int:
        return STATUS.index("diverged" if member.diverged_step >= 0 else "ok")

    grid = ("learning_rate", "seed")
    variables: list[tuple[str, tuple[str, ...], np.ndarray, str, str]] = [
        ("learning_rate", grid[:1], np.array(rates), "peak learning rate", "1"),
        ("seed", grid[1:], np.array(seeds), "seed of initialisation and batch order", "1"),
        ("step", ("step",), np.array(steps, "i4"), "validated optimiser step", "1"),
        ("status", grid, each(status, "i1"), "outcome of the training", "1"),
        (
            "train_error",
            (*grid, "step"),
            each(lambda m: padded(m.train_error)),
            "training loss over the variance of the target, mean since the previous validated step",
            "1",
        ),
        (
            "validation_error",
            (*grid, "step"),
            each(lambda m: padded(m.validation_error)),
            "relative mean squared error on the validation split",
            "1",
        ),
        (
            "memory_over_training",
            (*grid, "step", "lag"),
            each(lambda m: m.memory.cpu().numpy(), "f4"),
            "learned memory function at the validated step, on the validation split",
            "1",
        ),
        (
            "best_validation_error",
            grid,
            each(lambda m: m.best_error if m.best_step else np.nan),
            "least relative mean squared error on the validation split",
            "1",
        ),
        (
            "best_step",
            grid,
            each(lambda m: m.best_step, "i4"),
            "validated step with the least validation error; 0 where there is none",
            "1",
        ),
        (
            "diverged_step",
            grid,
            each(lambda m: m.diverged_step, "i4"),
            "step at which the member diverged; -1 where it did not",
            "1",
        ),
        ("seconds", grid, each(lambda m: m.seconds), "time spent in training", "s"),
    ]
    with atomic(path) as temporary, netCDF4.Dataset(temporary, "w") as file:
        file.setncatts(provenance(title=title, settings=resolved, seeds=seeds))
        file.setncatts(
            {"parameters": cell.parameters, "linear": int(cell.linear), "device": device}
        )
        # A number that is not there is left out: an attribute cannot say "none".
        for name in ("state_size", "receptive_field"):
            if (value := getattr(cell, name)) is not None:
                file.setncattr(name, value)
        for name, size in (
            ("learning_rate", len(rates)),
            ("seed", len(seeds)),
            ("step", len(steps)),
            ("lag", members[0][0].memory.shape[1]),
        ):
            file.createDimension(name, size)
        for name, dims, values, long_name, units in variables:
            made = file.createVariable(name, values.dtype, dims)
            made[:] = values
            made.setncatts({"long_name": long_name, "units": units})
        file["status"].setncatts(
            {"flag_values": np.arange(len(STATUS), dtype="i1"), "flag_meanings": " ".join(STATUS)}
        )
