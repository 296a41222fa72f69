"""The files that an evaluation reads, and what is in them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import netCDF4  # noqa: F401  # xarray's engine; imported here so that its absence shows early
import xarray as xr
from safetensors import safe_open

from mfbench.files import check_identity, check_variables, sealed
from mfbench.models.model import SequenceModel
from mfbench.tasks.datasets import task_named

_OF_THE_MODEL = ("parameters", "linear", "state_size", "receptive_field")


@dataclass(frozen=True)
class TaskFiles:
    """The files of one level: its dataset and floors.

    Attributes
    ----------
    dataset, floors : path
    made_for : mapping
        The ``kernel``, ``rho`` and ``task`` that they must be of; empty for any.
    """

    dataset: str | Path
    floors: str | Path
    made_for: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class PackFiles:
    """What the training of some levels left: record and weights.

    Attributes
    ----------
    record, weights : path
    made_for : mapping
        The settings that they must have been made with; empty for any.
    """

    record: str | Path
    weights: str | Path
    made_for: Mapping[str, Any] = field(default_factory=dict)


def task_files(
    datasets: Sequence[str | Path],
    floors: Sequence[str | Path],
    *,
    task: Mapping[str, Any],
    kernel: str,
) -> list[TaskFiles]:
    """The files of all levels of a kernel, whose names, ``rho=RHO.nc``, say which level it is."""
    return [
        TaskFiles(*files, task_named(files[0], task=task, kernel=kernel))
        for files in zip(datasets, floors, strict=True)
    ]


def pack_files(
    records: Sequence[str | Path],
    weights: Sequence[str | Path],
    *,
    settings: Mapping[str, Any],
    names: Mapping[str, str],
) -> list[PackFiles]:
    """The files of all packs of a group, whose names, ``rho=PACK.nc``, say which pack it is.

    Parameters
    ----------
    records, weights : sequences of path
    settings : mapping
        ``task``, ``architecture``, ``width`` and ``training`` of the study.
    names : mapping
        ``architecture``, ``width`` and ``kernel`` as they stand in file names.
    """
    trained = {key: settings[key] for key in ("task", "architecture", "width", "training")}
    return [
        PackFiles(
            *files,
            {**trained, "pack": {**names, "pack": Path(files[0]).stem.removeprefix("rho=")}},
        )
        for files in zip(records, weights, strict=True)
    ]


@dataclass(frozen=True)
class Trained:
    """What one level has in the files of its pack.

    Attributes
    ----------
    record : Dataset
        Curves and outcomes of its members.
    weights : path
        The file in which the weights of all members of the pack are.
    model : mapping
        What the packs of the group say of the model; nothing where it cannot be built.
    """

    record: xr.Dataset
    weights: str | Path
    model: Mapping[str, int]


def read_packs(packs: Sequence[PackFiles]) -> dict[float, Trained]:
    """The trained levels of a group by rho.

    Raises
    ------
    BrokenFileError
        A file is corrupt, or of another pack or study than it should be.
    """
    records: list[tuple[xr.Dataset, str | Path]] = []
    model: dict[str, int] = {}
    for files in packs:
        records.append((_read_record(files), files.weights))
        _check_weights(files)
        # A pack that could not be built does not know; the others do.
        model |= {name: v for name, v in records[-1][0].attrs.items() if name in _OF_THE_MODEL}
    return {
        float(record.rho[i]): Trained(
            record.isel(level=i).drop_vars("rho").drop_attrs(deep=False), weights, model
        )
        for record, weights in records
        for i in range(record.sizes["level"])
    }


def _read_record(files: PackFiles) -> xr.Dataset:
    with xr.open_dataset(sealed(files.record), engine="netcdf4", mask_and_scale=False) as opened:
        record = opened.load().drop_encoding()
    needed = ("status", "validation_error", "best_validation_error", "rho", "failure")
    check_variables(files.record, "training record", record.variables, needed=needed)
    check_identity(files.record, json.loads(record.attrs["settings"]), files.made_for)
    return record


def _check_weights(files: PackFiles) -> None:
    """Once per file, and not for each member that is read from it."""
    with safe_open(sealed(files.weights), framework="pt") as file:
        metadata = file.metadata()
    check_variables(files.weights, "file of weights", metadata, needed=("settings",))
    check_identity(files.weights, json.loads(metadata["settings"]), files.made_for)


def load_member(model: SequenceModel, path: str | Path, prefix: str) -> None:
    """Give a model the weights of one member, which `read_packs` has checked.

    Parameters
    ----------
    model : SequenceModel
        Of the member's architecture and width.
    path : path
        File of weights.
    prefix : str
        How the names of the member's tensors start there.

    Raises
    ------
    ValueError
        The weights do not fit the model.
    """
    with safe_open(path, framework="pt") as file:
        names = [name for name in file.keys() if name.startswith(prefix)]  # noqa: SIM118
        weights = {name.removeprefix(prefix): file.get_tensor(name) for name in names}
    try:
        model.load_state_dict(weights)
    except RuntimeError as error:
        raise ValueError(f"{path} does not fit the model: {error}") from error
