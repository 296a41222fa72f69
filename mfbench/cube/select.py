"""Select parts of a benchmark cube."""

from __future__ import annotations

import json

import numpy as np
import xarray as xr

from mfbench.training.status import STATUS, TRIALS


def trained(cube: xr.Dataset) -> xr.DataArray:
    """Which members were trained, diverged ones included: neither absent nor failed.

    Parameters
    ----------
    cube : Dataset
        A benchmark cube with its status as words or, during assembly, as codes.
    """
    words = cube.status.dtype == object
    codes = [name if words else STATUS.index(name) for name in TRIALS]
    found: xr.DataArray = cube.status.isin(codes)
    return found


def failed(cube: xr.Dataset) -> xr.DataArray:
    """Which cells (architecture, width, kernel, level) of an opened cube failed."""
    found: xr.DataArray = (cube.status == "failed").any(["learning_rate", "seed"])
    return found


def in_words(cube: xr.Dataset) -> xr.Dataset:
    """A cube with its status as words; files and assembly use codes."""
    if cube.status.dtype == object:
        return cube
    words = np.array(STATUS, dtype=object)[cube.status.values.astype(int)]
    return cube.assign(status=(cube.status.dims, words))


def longest(cube: xr.Dataset) -> xr.Dataset:
    """The members with the study's largest budget: the cube without the dimension budget."""
    return cube.isel(budget=-1) if "budget" in cube.dims else cube


def selected(cube: xr.Dataset) -> xr.Dataset:
    """Take each seed at the learning rate that is best for the other seeds of its cell.

    Returns
    -------
    Dataset
        Without the dimension learning_rate; absent and failed cells are NaN. A seed whose selected
        rate was cut from the cube is absent.
    """
    rates = cube.learning_rate.values
    there = cube.selected_learning_rate.isin(rates) | cube.selected_learning_rate.isnull()
    chosen = cube.selected_learning_rate.where(there).fillna(rates[0])
    per_member = [v for v in cube.data_vars if "learning_rate" in cube[v].dims]
    picked = cube[per_member].sel(learning_rate=chosen)
    if not there.all():  # only if needed, because it turns whole numbers into floats
        status = picked.status.where(there, "absent" if picked.status.dtype == object else 0)
        picked = picked.where(there).assign(status=status)
    rest = cube.drop_vars([*per_member, "learning_rate"])
    return rest.assign(picked.drop_vars("learning_rate").data_vars)


def nearest_level(cube: xr.Dataset, *, family: str, memory_length: int) -> xr.Dataset:
    """The part of a cube at the trained level that is nearest to a task in log M99.

    Parameters
    ----------
    cube : Dataset
        A benchmark cube at one budget.
    family : str
        The family of the task's memory function.
    memory_length : int
        Its M99 in steps.

    Returns
    -------
    Dataset
        With the same dimensions, of which kernel and level have one entry.

    Raises
    ------
    ValueError
        The cube has no kernel of this family.
    """
    levels = json.loads(cube.attrs["settings"])["kernels"]
    names = [n for n in cube.kernel.values if any(v["family"] == family for v in levels[n])]
    if not names:
        raise ValueError(
            f"the cube has no kernel of the family {family}; its families: "
            + ", ".join(sorted({v["family"] for each in levels.values() for v in each}))
        )
    here = cube.sel(kernel=names)
    run = trained(here).any(["architecture", "width", "learning_rate", "seed"])
    far = abs(np.log(here.memory_length / memory_length)).where(run).fillna(np.inf)
    at = far.argmin(["kernel", "level"])
    return here.isel({dim: [int(i)] for dim, i in at.items()})
