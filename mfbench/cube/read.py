"""Open a benchmark cube: all evaluations of a study in one self-describing dataset."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np
import xarray as xr
from numpy.typing import NDArray

from mfbench.cube.schema import check_version, upgraded
from mfbench.files import BrokenFileError, check_identity, sealed
from mfbench.training.status import STATUS

_NEEDED = ("status", "relative_mse", "rho", "architecture")


def open_benchmark(path: str | Path, *, made_for: Mapping[str, Any] | None = None) -> xr.Dataset:
    """Open a benchmark cube, or a part of one that was saved with ``to_netcdf``.

    Parameters
    ----------
    path : path
        ``<results>/cubes/benchmark.nc``. Other programs may have it open.
    made_for : mapping, optional
        The study that it must belong to, as stored in the cube. The file must then be sealed too:
        the workflow refuses a file that has changed since it was written.

    Returns
    -------
    Dataset
        The content of the file, with `status` decoded to 'absent', 'ok', 'diverged' or 'failed'.

    Raises
    ------
    OSError
        The file is missing or not a NetCDF file.
    ValueError
        The file is not a benchmark cube, or has a layout of a newer version of mfbench.
    BrokenFileError
        The file is corrupt, or not a cube of the study `made_for`.

    Examples
    --------
    >>> cube = open_benchmark("results/small/cubes/benchmark.nc")
    """
    with _opened(path if made_for is None else sealed(path)) as file:
        store = xr.backends.NetCDF4DataStore(file)  # type: ignore[no-untyped-call]
        cube = xr.open_dataset(store, mask_and_scale=False).load().drop_encoding()
    if problem := check_version(cube.attrs):
        pass
    elif lacking := sorted(set(_NEEDED) - set(cube.variables)):
        problem = f"not a benchmark cube of mfbench: it lacks {lacking}"
    elif unknown := sorted(set((words := _words(cube.status.values)).flat) - set(STATUS)):
        problem = f"not a benchmark cube of mfbench: it has the status {unknown}"
    if problem:
        raise (
            BrokenFileError(path, problem)
            if made_for is not None
            else ValueError(f"{path}: {problem}")
        )
    if made_for is not None:
        check_identity(path, json.loads(cube.attrs["settings"]), made_for)
    attributes = {k: v for k, v in cube.status.attrs.items() if not k.startswith("flag_")}
    cube["status"] = cube.status.dims, words, attributes
    return upgraded(cube)


def _opened(path: str | Path) -> netCDF4.Dataset:
    try:
        return netCDF4.Dataset(path)
    except OSError as error:
        # HDF5 refuses even a complete file while another program has it open for writing.
        content = Path(path).read_bytes()
        try:
            return netCDF4.Dataset(str(path), memory=content)
        except OSError:
            raise error from None


def _words(status: NDArray[Any]) -> NDArray[Any]:
    """The status as words, from words or codes; entries that a user masked are absent."""
    if status.dtype.kind in "OSU":
        return np.where(status == "", "absent", status).astype(object)
    words: NDArray[Any] = np.array(STATUS, dtype=object)[np.nan_to_num(status).astype(int)]
    return words
