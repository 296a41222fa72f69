"""A made-up cube as a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from mfbench.files import atomic
from mfbench.training.status import STATUS


def write_benchmark(path: str | Path, cube: xr.Dataset) -> None:
    """Write a cube atomically, as xarray does it."""
    cube = cube.copy()
    cube.status.attrs.update(
        flag_values=np.arange(len(STATUS), dtype="i1"), flag_meanings=" ".join(STATUS)
    )
    for name in cube.data_vars:
        if cube[name].dtype.kind not in "biuf":  # texts of any length, whatever file they are from
            cube[name] = cube[name].astype(object).drop_encoding()
    encoding: dict[Any, Any] = {
        name: {"zlib": True, "complevel": 3, "_FillValue": None}
        for name, variable in cube.variables.items()
        if variable.dtype != object and variable.ndim
    }
    with atomic(path) as temporary:
        cube.to_netcdf(temporary, engine="netcdf4", encoding=encoding)
