"""Training of one cell (architecture, width, kernel, rho) with all its members."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np
import torch
from safetensors.numpy import save_file

from mfbench.architectures.build import check_contract
from mfbench.config.training import TrainingSettings
from mfbench.storage import atomic, package_versions, provenance
from mfbench.training.checkpoints import Checkpoints, member_key
from mfbench.training.member import Progress, TrainingData, initial_model, train_member
from mfbench.training.schedule import validation_steps
from mfbench.training.status import STATUS

log = logging.getLogger(__name__)




@dataclass(frozen=True)
class Cell:
    """A trained cell.

    Attributes
    ----------
    members : dict
        Progress by (learning rate, seed).
    parameters : int
        Number of trained real numbers.
    state_size, receptive_field : int or None
    linear : bool
        What the model declares about itself.
    """

    members: dict[tuple[float, int], Progress]
    parameters: int
    state_size: int | None
    receptive_field: int | None
    linear: bool


def prepare_process(*, threads: int) -> None:
    """Set torch up for one training job; call it before any tensor work.

    Denormals are flushed to zero: they slow down second moments by several times. More than one
    thread does not help small models and collapses when jobs share the cores.
    """
    torch.set_num_threads(threads)
    torch.set_flush_denormal(True)


def choose_device(name: str) -> torch.device:
    """The device of a job: ``auto`` is the GPU where there is one.

    Raises
    ------
    ValueError
        ``cuda`` is asked for and there is none.
    """
    if name == "cuda" and not torch.cuda.is_available():
        raise ValueError("training.device = 'cuda', but torch finds no GPU here; use auto or cpu")
    use_cuda = name == "cuda" or (name == "auto" and torch.cuda.is_available())
    return torch.device("cuda" if use_cuda else "cpu")


def train_cell(
    architecture: Mapping[str, Any],
    data: TrainingData,
    *,
    width: int,
    settings: TrainingSettings,
    code: str,
    checkpoints: Checkpoints,
) -> Cell:
    """Train all members of a cell one after the other.

    Members that an earlier job finished are taken from the checkpoints, so adding a seed or a
    learning rate trains only what is new, and a killed job goes on where it was.

    Parameters
    ----------
    architecture : mapping
        Settings for `build_model`.
    data : TrainingData
        The task, on the device to train on.
    width : int
        Number of channels.
    settings : TrainingSettings
        The training section of the study.
    code : str
        Digest of the code that trains.
    checkpoints : Checkpoints
        Where members are kept.

    Raises
    ------
    ValueError
        The architecture breaks the contract of all models.
    """
    model = initial_model(architecture, width=width, length=data.length, seed=settings.seeds[0])
    check_contract(model, length=data.length)
    common = {
        "architecture": dict(architecture),
        "width": width,
        "settings": settings.model_dump(
            exclude={"learning_rates", "seeds", "device", "checkpoints"}
        ),
        "data": _fingerprint(data),
        "code": code,
        "torch": package_versions().get("torch"),
        "device": data.x.device.type,
    }
    members = {}
    for learning_rate in settings.learning_rates:
        for seed in settings.seeds:
            key = member_key({**common, "learning_rate": learning_rate, "seed": seed})
            found = checkpoints.load(learning_rate, seed, key)
            if found is None or not found.finished:
                found = train_member(
                    architecture,
                    data,
                    width=width,
                    learning_rate=learning_rate,
                    seed=seed,
                    settings=settings,
                    progress=found,
                    save=lambda p, m=(learning_rate, seed, key): checkpoints.save(*m, p),  # type: ignore[misc]
                )
                checkpoints.save(learning_rate, seed, key, found)
                how = "trained"
            else:
                how = "found finished"
            fate = f"diverged at step {found.diverged_step}" if found.diverged_step >= 0 else "ok"
            log.info(
                "learning rate %g, seed %d: %s, %s, validation error %.3g at step %d, %.1f s",
                *(learning_rate, seed, how, fate, found.best_error, found.best_step, found.seconds),
            )
            members[learning_rate, seed] = found
    return Cell(
        members=members,
        parameters=sum(p.numel() for p in model.parameters()),
        state_size=model.state_size,
        receptive_field=model.receptive_field,
        linear=model.linear,
    )


def _fingerprint(data: TrainingData) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for tensor in (data.x, data.y, data.x_validation, data.y_validation):
        digest.update(tensor.cpu().numpy().tobytes())
    digest.update(json.dumps([data.scored_from, data.variance]).encode())
    return digest.hexdigest()


def weight_name(learning_rate: float, seed: int, parameter: str) -> str:
    """Name of a member's tensor in the file of weights."""
    return f"learning_rate={learning_rate:g},seed={seed}/{parameter}"


def write_weights(path: str | Path, cell: Cell) -> None:
    """Write the best weights of all members to one safetensors file."""
    tensors = {
        weight_name(*member, name): np.ascontiguousarray(array)
        for member, progress in cell.members.items()
        for name, array in progress.best_weights().items()
    }
    with atomic(path) as temporary:
        save_file(tensors, temporary)


def write_training(
    path: str | Path,
    cell: Cell,
    *,
    settings: TrainingSettings,
    resolved: Mapping[str, Any],
    title: str,
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
    """
    rates, seeds = settings.learning_rates, settings.seeds
    steps = validation_steps(settings.steps, settings.validations)

    def gather(value: Any) -> np.ndarray:
        return np.array([[value(cell.members[rate, seed]) for seed in seeds] for rate in rates])

    def curve(values: list[float]) -> np.ndarray:
        padded = np.full(len(steps), np.nan)
        padded[: len(values)] = values
        return padded

    member = ("learning_rate", "seed")
    with atomic(path) as temporary, netCDF4.Dataset(temporary, "w") as file:
        file.setncatts(provenance(title=title, settings=resolved, seeds=seeds))
        file.setncatts({"parameters": cell.parameters, "linear": int(cell.linear)})
        # A missing number is left out: an attribute cannot say "none".
        for name in ("state_size", "receptive_field"):
            if (value := getattr(cell, name)) is not None:
                file.setncattr(name, value)
        for name, size in (
            ("learning_rate", len(rates)),
            ("seed", len(seeds)),
            ("step", len(steps)),
        ):
            file.createDimension(name, size)

        def variable(
            name: str, dims: tuple[str, ...], values: Any, long_name: str, units: str = "1"
        ) -> netCDF4.Variable:
            values = np.asarray(values)
            made = file.createVariable(name, values.dtype, dims)
            made[:] = values
            made.setncatts({"long_name": long_name, "units": units})
            return made

        variable("learning_rate", ("learning_rate",), rates, "peak learning rate")
        variable("seed", ("seed",), seeds, "seed of initialisation and batch order")
        variable("step", ("step",), np.array(steps, dtype="i4"), "validated optimiser step")
        status = variable(
            "status", member, gather(lambda p: 2 if p.diverged_step >= 0 else 1).astype("i1"),
            "outcome of the training",
        )  # fmt: skip
        status.setncatts(
            {"flag_values": np.arange(3, dtype="i1"), "flag_meanings": " ".join(STATUS)}
        )
        for name, long_name in (
            ("train_error", "relative training error, mean since the previous validated step"),
            ("validation_error", "relative mean squared error on the validation split"),
        ):
            values = gather(lambda p, name=name: curve(getattr(p, name)))
            variable(name, (*member, "step"), values, long_name)
        variable(
            "best_validation_error", member, gather(lambda p: p.best_error if p.best_step else np.nan),
            "least relative mean squared error on the validation split",
        )  # fmt: skip
        variable(
            "best_step", member, gather(lambda p: p.best_step).astype("i4"),
            "validated step with the least validation error; 0 where there is none",
        )  # fmt: skip
        variable(
            "diverged_step", member, gather(lambda p: p.diverged_step).astype("i4"),
            "step at which the member diverged; -1 where it did not",
        )  # fmt: skip
        variable("seconds", member, gather(lambda p: p.seconds), "time spent in training", "s")
