"""Slow and obvious: the benchmark cube assembled whole in memory, and written as xarray does it.

The oracle of mfbench.cube.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from mfbench.files import atomic, provenance, sealed
from mfbench.tasks.kernels.lookup import family as find_family
from mfbench.training.status import STATUS

GRID = ("architecture", "width", "kernel", "level")
_BY_LEVEL = ("rho", "memory_length", "order", "memory_function")  # properties of the task
_BY_WIDTH = ("parameters", "state_size", "receptive_field", "linear")  # of the model


def assemble(
    paths: Iterable[str | Path],
    *,
    architectures: Sequence[str],
    kernels: Sequence[str],
    study: Mapping[str, Any],
) -> xr.Dataset:
    """One cube of a study from its evaluations, whatever is missing.

    The axes are those of the study, with the levels that evaluations add. What no file holds is NaN
    with the status 'absent'; learning rates and seeds that the study lacks are left out.
    """
    groups = [_read_group(path) for path in paths]
    levels = {kernel: _levels(kernel, study["kernels"][kernel], groups) for kernel in kernels}
    axes: dict[str, list[Any]] = {
        "architecture": list(architectures),
        "width": sorted({w for a in architectures for w in study["architectures"][a]["widths"]}),
        "kernel": list(kernels),
        "level": list(range(max(len(v) for v in levels.values()))),
        "learning_rate": sorted(study["training"]["learning_rates"]),
        "seed": sorted(study["training"]["seeds"]),
    }
    for name in ("step", "lag", "time", "threshold", "perturbation", "length_factor"):
        axes[name] = sorted({v for g in groups for v in g[name].values.tolist()})
    cube = _empty_cube(axes, like=groups[0])
    for kernel, tasks in levels.items():
        for level, task in enumerate(tasks):
            at = {"kernel": axes["kernel"].index(kernel), "level": level}
            cube.rho[at], cube.memory_length[at] = task["rho"], task["memory_length"]
    for group in groups:
        _place(group, cube, axes, levels)
    cube = cube.set_coords(["rho", "memory_length", "order", *_BY_WIDTH])
    absent = [
        (cube.status.sel(architecture=a, width=w, kernel=k, level=i) == STATUS.index("absent"))
        for a in architectures
        for w in study["architectures"][a]["widths"]
        for k in kernels
        for i, task in enumerate(levels[k])
        if task["rho"] in [float(own["rho"]) for own in study["kernels"][k]]
    ]
    kind = "partial benchmark" if any(one.any() for one in absent) else "benchmark"
    title = f"mfbench {kind} cube of study {study['name']}"
    seeds = {"data": study["task"]["seed"], "members": axes["seed"]}
    return cube.assign_attrs(provenance(title=title, settings=study, seeds=seeds))


def _read_group(path: str | Path) -> xr.Dataset:
    with xr.open_dataset(sealed(path), engine="netcdf4", mask_and_scale=False) as opened:
        return opened.load()


def _levels(
    kernel: str, tasks: Sequence[Mapping[str, Any]], groups: Iterable[xr.Dataset]
) -> list[dict[str, float]]:
    """The levels of one kernel from easy to hard, with those that evaluations add."""
    lengths = {float(task["rho"]): float(task["memory_length"]) for task in tasks}
    for group in groups:
        if group.attrs["kernel"] == kernel:
            lengths |= zip(
                group.rho.values.tolist(), group.memory_length.values.tolist(), strict=True
            )
    sign = 1 if find_family(kernel).harder_when_larger else -1
    order = sorted(lengths, key=lambda rho: (lengths[rho], sign * rho))
    return [{"rho": rho, "memory_length": lengths[rho]} for rho in order]


def _empty_cube(axes: Mapping[str, list[Any]], *, like: xr.Dataset) -> xr.Dataset:
    """A cube in which everything is absent, with the variables of an evaluation."""
    labels = {
        "architecture": {"long_name": "name of the architecture in the study"},
        "width": {"long_name": "number of channels", "units": "1"},
        "kernel": {"long_name": "family of memory functions"},
    }
    cube = xr.Dataset(
        coords={
            name: (name, _typed(values), labels.get(name) or like[name].attrs)
            for name, values in axes.items()
        }
    )
    for name in map(str, like.data_vars):
        dims = _dims(name, like[name].dims)
        empty: Any = np.int8(STATUS.index("absent")) if name == "status" else np.nan
        if like[name].dtype == np.float32:  # the large ones
            empty = np.float32(empty)
        kind = None
        if like[name].dtype.kind not in "biuf":  # texts
            empty, kind = "", object
        cube[name] = dims, np.full([len(axes[d]) for d in dims], empty, kind), like[name].attrs
    cube.rho.attrs["long_name"] = "knob of the kernel's family"
    cube.status.attrs["comment"] = (
        "absent: not in the study (then parameters or rho are NaN too), or not run yet; "
        "failed: the architecture's own code broke (see message), which says nothing of its memory"
    )
    return cube


def _place(
    group: xr.Dataset,
    cube: xr.Dataset,
    axes: Mapping[str, list[Any]],
    levels: Mapping[str, list[dict[str, float]]],
) -> None:
    """Write the numbers of one evaluation to their place in the cube."""
    here = {"architecture": group.attrs["architecture_name"], "kernel": group.attrs["kernel"]}
    here["width"] = int(group.attrs["width"])
    # Levels go by their rho: their number changes when a study gets another one.
    tasks = [task["rho"] for task in levels[here["kernel"]]]
    group = group.assign_coords(level=[tasks.index(rho) for rho in group.rho.values.tolist()])
    kept = {d: [v for v in group[d].values.tolist() if v in axes[d]] for d in map(str, group.dims)}
    group = group.sel(kept)
    if 0 in group.sizes.values():
        return
    for name in map(str, group.data_vars):
        once = name in (*_BY_WIDTH, "weights")  # the same at every level
        values = group[name][{"level": 0}] if once else group[name]
        if name in _BY_WIDTH and np.isnan(values):
            continue  # a model that could not be built hides no number of another group
        target = cube[name]
        index = [
            axes[d].index(here[d]) if d in here else [axes[d].index(v) for v in kept[d]]
            for d in map(str, target.dims)
        ]
        order = [d for d in target.dims if d not in here]
        target.values[_open_mesh(index)] = values.transpose(*order).values


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


def _open_mesh(index: Sequence[int | list[int]]) -> tuple[Any, ...]:
    """Indices that select a block: numpy's ix_ with single numbers allowed (they drop out)."""
    mesh = iter(np.ix_(*(i for i in index if isinstance(i, list))))
    return tuple(next(mesh) if isinstance(i, list) else i for i in index)


def write_benchmark(path: str | Path, cube: xr.Dataset) -> None:
    """Write a cube atomically; cells that are absent compress to nothing."""
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
