"""The benchmark cube: all evaluations of a study in one self-describing dataset."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from mfbench.storage import check_identity, check_variables, sealed
from mfbench.training.status import STATUS, TRIALS


def open_benchmark(path: str | Path, *, made_for: Mapping[str, Any] | None = None) -> xr.Dataset:
    """Open a benchmark cube.

    Parameters
    ----------
    path : path
        ``<results>/cubes/benchmark.nc``.
    made_for : mapping, optional
        The study that it must be of, as it is kept in the cube.

    Returns
    -------
    Dataset
        `status` is decoded to 'absent', 'ok', 'diverged' or 'failed'; all else is as in the file.

    Raises
    ------
    BrokenFileError
        The file is corrupt, or no cube of mfbench or of that study.
    """
    with xr.open_dataset(sealed(path), engine="netcdf4", mask_and_scale=False) as opened:
        cube = opened.load()
    needed = ("status", "relative_mse", "rho", "architecture")
    check_variables(path, "benchmark cube", cube.variables, needed=needed)
    if made_for is not None:
        check_identity(path, json.loads(cube.attrs["settings"]), made_for)
    attributes = {k: v for k, v in cube.status.attrs.items() if not k.startswith("flag_")}
    cube["status"] = cube.status.dims, np.array(STATUS, dtype=object)[cube.status], attributes
    return cube


def trained(cube: xr.Dataset) -> xr.DataArray:
    """Which members are trials, with success or without: neither absent nor of a failed cell.

    Parameters
    ----------
    cube : Dataset
        A benchmark cube with its status as words, or, while it is assembled, as codes.
    """
    words = cube.status.dtype == object
    codes = [name if words else STATUS.index(name) for name in TRIALS]
    found: xr.DataArray = cube.status.isin(codes)
    return found


def failed(cube: xr.Dataset) -> xr.DataArray:
    """Which cells (architecture, width, kernel, level) of an opened cube failed."""
    found: xr.DataArray = (cube.status == "failed").any(["learning_rate", "seed"])
    return found


def selected(cube: xr.Dataset) -> xr.Dataset:
    """The cube at the learning rate that validation selects in each cell.

    Returns
    -------
    Dataset
        Without the dimension learning_rate; cells that are absent or failed are NaN.
    """
    rates = cube.learning_rate.values
    chosen = cube.selected_learning_rate.fillna(rates[0])
    per_member = [v for v in cube.data_vars if "learning_rate" in cube[v].dims]
    picked = cube[per_member].sel(learning_rate=chosen)
    rest = cube.drop_vars([*per_member, "learning_rate"])
    return rest.merge(picked.drop_vars("learning_rate"))
