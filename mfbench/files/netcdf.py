"""Write arrays to a NetCDF file without xarray, which is slow to import."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias

import netCDF4
import numpy as np

from mfbench.files.atomic import atomic

Variable: TypeAlias = tuple[tuple[str, ...], Any, Mapping[str, Any]]
"""Dimensions, values and attributes."""


def about(long_name: str, *, units: str = "1", **more: Any) -> dict[str, Any]:
    """The attributes of a variable."""
    return {"long_name": long_name, "units": units, **more}


def write_netcdf(
    path: str | Path,
    variables: Mapping[str, Variable],
    attributes: Mapping[str, Any],
    *,
    compressed: bool = False,
) -> None:
    """Write variables and global attributes to a new file, atomically."""
    with atomic(path) as temporary, netCDF4.Dataset(temporary, "w") as file:
        file.setncatts(attributes)
        for name, (dims, values, own) in variables.items():
            array = np.asarray(values)
            for dim, size in zip(dims, array.shape, strict=True):
                if dim not in file.dimensions:
                    file.createDimension(dim, size)
            kind = str if array.dtype == object else array.dtype
            variable = file.createVariable(name, kind, dims, zlib=compressed and bool(dims))
            variable[...] = array
            variable.setncatts(own)
