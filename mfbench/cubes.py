"""The benchmark cube: all evaluations of a study in one self-describing dataset."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from mfbench.storage import atomic, provenance
from mfbench.training.status import STATUS

GRID = ("architecture", "width", "kernel", "level")
_BY_LEVEL = ("rho", "memory_length", "memory_function")  # properties of the task
_BY_WIDTH = ("parameters", "state_size", "receptive_field", "linear")  # of the model


def assemble_benchmark(
    paths: Iterable[str | Path],
    *,
    architectures: Iterable[str],
    kernels: Iterable[str],
    resolved: Mapping[str, Any],
) -> xr.Dataset:
    """One cube from the evaluation files that there are.

    Parameters
    ----------
    paths : iterable of path
        Evaluation files, one per (architecture, width, kernel); missing ones become NaN with the
        status 'absent'.
    architectures, kernels : iterable of str
        Names in the order of the study.
    resolved : mapping
        The whole study, for the attributes.

    Returns
    -------
    Dataset
        Dimensions architecture, width, kernel, level, learning_rate, seed, and step, lag, time,
        threshold where they apply.

    Raises
    ------
    ValueError
        No file, or a file that is no evaluation of mfbench (the message names it).
    """
    groups: dict[tuple[str, int, str], xr.Dataset] = {}
    for path in paths:
        with xr.open_dataset(path, engine="netcdf4", mask_and_scale=False) as opened:
            group = opened.load()
        missing = {"architecture_name", "width", "kernel"} - set(group.attrs)
        if missing:
            raise ValueError(f"{path} is no evaluation of mfbench: it lacks {sorted(missing)}")
        at = (group.attrs["architecture_name"], int(group.attrs["width"]), group.attrs["kernel"])
        groups[at] = group
    if not groups:
        raise ValueError("no evaluation file to make a benchmark of")
    widths = sorted({width for _, width, _ in groups})
    axes: dict[str, list[Any]] = {
        "architecture": [a for a in architectures if a in {at[0] for at in groups}],
        "width": widths,
        "kernel": [k for k in kernels if k in {at[2] for at in groups}],
    }
    first = next(iter(groups.values()))
    for name in ("learning_rate", "seed", "step", "lag", "time", "threshold"):
        axes[name] = sorted({v for g in groups.values() for v in g[name].values.tolist()})
    axes["level"] = list(range(max(g.sizes["level"] for g in groups.values())))
    coordinates = {
        name: (name, _typed(values), first[name].attrs if name in first else {"units": "1"})
        for name, values in axes.items()
    }
    cube = xr.Dataset(coords=coordinates)
    for name, long_name in (
        ("architecture", "name of the architecture in the study"),
        ("width", "number of channels"),
        ("kernel", "family of memory functions"),
    ):
        cube[name].attrs.update(long_name=long_name)
        if name != "width":
            cube[name].attrs.pop("units", None)  # a label has none

    position = {name: {v: i for i, v in enumerate(values)} for name, values in axes.items()}
    for variable in first.data_vars:
        name = str(variable)
        dims = _dims(name, first[name].dims)
        empty: Any = np.int8(STATUS.index("absent")) if name == "status" else np.nan
        cube[name] = dims, np.full([len(axes[d]) for d in dims], empty), first[name].attrs
    for (architecture, width, kernel), group in groups.items():
        here: dict[str, Any] = {"architecture": architecture, "width": width, "kernel": kernel}
        for name in map(str, group.data_vars):
            once = name in (*_BY_WIDTH, "weights")  # the same at every level
            values = group[name][{"level": 0}] if once else group[name]
            index = tuple(
                position[d][here[d]]
                if d in here
                else np.array([position[d][v] for v in group[d].values.tolist()])
                for d in map(str, cube[name].dims)
            )
            order = [d for d in cube[name].dims if d not in here]
            cube[name].values[_open_mesh(index)] = values.transpose(*order).values
    cube = cube.set_coords(["rho", "memory_length", *_BY_WIDTH])
    cube.rho.attrs["long_name"] = "knob of the kernel's family"
    title = f"mfbench benchmark cube of study {resolved['name']}"
    seeds = {"data": resolved["task"]["seed"], "members": axes["seed"]}
    return cube.assign_attrs(provenance(title=title, settings=resolved, seeds=seeds))


def _typed(values: list[Any]) -> np.ndarray:
    if isinstance(values[0], str):
        return np.array(values, dtype=object)
    return np.array(values, dtype="f8" if isinstance(values[0], float) else "i8")


def _dims(name: str, dims: tuple[Any, ...]) -> tuple[str, ...]:
    """Dimensions in the cube of a variable with these dimensions in an evaluation file."""
    if name == "weights":
        return ("lag",)
    if name in _BY_WIDTH:
        return ("architecture", "width")
    rest = tuple(str(d) for d in dims if d != "level")
    return ("kernel", "level", *rest) if name in _BY_LEVEL else (*GRID, *rest)


def _open_mesh(index: tuple[Any, ...]) -> tuple[Any, ...]:
    """Index arrays that select a block: numpy's ix_ with scalars allowed (they drop out)."""
    arrays = [i for i in index if isinstance(i, np.ndarray)]
    mesh = iter(np.ix_(*arrays)) if arrays else iter(())
    return tuple(next(mesh) if isinstance(i, np.ndarray) else i for i in index)


def write_benchmark(path: str | Path, cube: xr.Dataset) -> None:
    """Write a cube atomically; cells that are absent compress to nothing."""
    cube = cube.copy()
    cube.status.attrs.update(
        flag_values=np.arange(len(STATUS), dtype="i1"), flag_meanings=" ".join(STATUS)
    )
    encoding: dict[Any, Any] = {
        name: {"zlib": True, "complevel": 3, "_FillValue": None}
        for name, variable in cube.variables.items()
        if variable.dtype != object and variable.ndim
    }
    with atomic(path) as temporary:
        cube.to_netcdf(temporary, engine="netcdf4", encoding=encoding)


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
