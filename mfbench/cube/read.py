"""The benchmark cube: all evaluations of a study in one self-describing dataset."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from mfbench.files import check_identity, check_variables, sealed
from mfbench.training.status import STATUS


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
