"""The benchmark cube: all evaluations of a study in one self-describing dataset."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import xarray as xr

from mfbench.training.status import STATUS


def open_benchmark(path: str | Path) -> xr.Dataset:
    """Open a benchmark cube.

    Parameters
    ----------
    path : path
        ``<results>/cubes/benchmark.nc``.

    Returns
    -------
    Dataset
        `status` is decoded to 'absent', 'ok' or 'diverged'; all else is as in the file.

    Raises
    ------
    ValueError
        The file is no cube of mfbench.
    """
    with xr.open_dataset(path, engine="netcdf4", mask_and_scale=False) as opened:
        cube = opened.load()
    lacking = [name for name in ("status", "relative_mse", "rho") if name not in cube.variables]
    if lacking:
        raise ValueError(f"{path} is no benchmark cube of mfbench: it lacks {lacking}")
    attributes = {k: v for k, v in cube.status.attrs.items() if not k.startswith("flag_")}
    cube["status"] = cube.status.dims, np.array(STATUS, dtype=object)[cube.status], attributes
    return cube


def selected(cube: xr.Dataset) -> xr.Dataset:
    """The cube at the learning rate that validation selects in each cell.

    Returns
    -------
    Dataset
        Without the dimension learning_rate; cells that are absent are NaN.
    """
    rates = cube.learning_rate.values
    chosen = cube.selected_learning_rate.fillna(rates[0])
    per_member = [v for v in cube.data_vars if "learning_rate" in cube[v].dims]
    picked = cube[per_member].sel(learning_rate=chosen)
    rest = cube.drop_vars([*per_member, "learning_rate"])
    return rest.merge(picked.drop_vars("learning_rate"))
