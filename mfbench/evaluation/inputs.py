"""Read the results of training for an evaluation."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import netCDF4  # noqa: F401  # xarray's engine; imported here so that its absence shows early
import xarray as xr
from safetensors import safe_open

from mfbench.files import check_identity, check_variables, sealed
from mfbench.models.model import Model
from mfbench.models.own_code import during, own_code
from mfbench.training.record import OF_THE_MODEL


@dataclass(frozen=True)
class Trained:
    """The results of training on one level.

    Attributes
    ----------
    record : Dataset
        Curves and outcomes of its members.
    weights : path
        The file that contains the weights of its members.
    model : mapping
        Properties of the model from the group's records; empty if it cannot be built.
    """

    record: xr.Dataset
    weights: str | Path
    model: Mapping[str, int]


def read_trained(
    records: Sequence[str | Path],
    weights: Sequence[str | Path],
    *,
    made_with: Mapping[str, Any] | None = None,
) -> dict[float, Trained]:
    """The trained levels of a group by rho.

    Parameters
    ----------
    records, weights : sequences of path
        Files of all training jobs of the group, in the same order.
    made_with : mapping, optional
        The settings with which they must have been made.

    Raises
    ------
    BrokenFileError
        A file is corrupt or belongs to another group or study.
    """
    expected = made_with or {}
    opened = [_read_record(record, expected) for record in records]
    for path in weights:
        _check_weights(path, expected)
    model: dict[str, int] = {}
    for record in opened:  # a job that could not build the model lacks these; other jobs have them
        model |= {name: v for name, v in record.attrs.items() if name in OF_THE_MODEL}
    return {
        float(record.rho[i]): Trained(
            record.isel(level=i).drop_vars("rho").drop_attrs(deep=False), path, model
        )
        for record, path in zip(opened, weights, strict=True)
        for i in range(record.sizes["level"])
    }


def _read_record(path: str | Path, expected: Mapping[str, Any]) -> xr.Dataset:
    with xr.open_dataset(sealed(path), engine="netcdf4", mask_and_scale=False) as opened:
        record = opened.load().drop_encoding()
    needed = ("status", "validation_error", "best_validation_error", "rho", "message")
    check_variables(path, "training record", record.variables, needed=needed)
    check_identity(path, json.loads(record.attrs["settings"]), expected)
    return record


def _check_weights(path: str | Path, expected: Mapping[str, Any]) -> None:
    """Check a file of weights once, not for each member that is read from it."""
    with safe_open(sealed(path), framework="pt") as file:
        metadata = file.metadata()
    check_variables(path, "file of weights", metadata, needed=("settings",))
    check_identity(path, json.loads(metadata["settings"]), expected)


def load_member(model: Model, path: str | Path, prefix: str) -> None:
    """Give a model the weights of one member, which `read_trained` has checked.

    Parameters
    ----------
    model : Model
        Of the member's architecture and width.
    path : path
        File of weights.
    prefix : str
        Start of the names of the member's tensors.

    Raises
    ------
    ArchitectureError
        The model cannot load its own weights.
    """
    with safe_open(path, framework="pt") as file:
        names = [name for name in file.keys() if name.startswith(prefix)]  # noqa: SIM118
        weights = {name.removeprefix(prefix): file.get_tensor(name) for name in names}
    with during(f"{path} does not fit the model"), own_code():
        model.load_state_dict(weights)
