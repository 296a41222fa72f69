"""Merge cubes: parts of a study, or results that others have published."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from mfbench.cube.failure_boundaries import GROUP, boundary_variables, success_threshold
from mfbench.cube.read import open_benchmark
from mfbench.cube.write import Group, nothing, write_cube
from mfbench.files import provenance
from mfbench.files.integrity import differences
from mfbench.study.training import MEMBERS, merged
from mfbench.training.status import STATUS

_MEMBER = ("budget", "learning_rate", "seed")
Names = tuple[str, int, str]  # architecture, width, kernel


def merge_cubes(paths: Sequence[str | Path], out: str | Path) -> None:
    """Merge several cubes into one.

    Dimensions are the unions of the cubes' own. A group keeps the failure boundary of its cube. It
    gets a new one if its levels come from several cubes, or if its cube has another threshold of
    success than the first cube. ``settings`` is the union of the cubes' own; the attribute
    ``sources`` (JSON) lists the attributes of each cube, with its own settings and provenance.

    Parameters
    ----------
    paths : sequence of path
        Cubes, or parts of cubes that were saved; all are held in memory.
    out : path
        The cube to write.

    Raises
    ------
    OSError
        A file cannot be read, or `out` cannot be written.
    ValueError
        A file is not a cube, or two cubes differ in their tasks, in an architecture, or in the
        numbers of a cell. The message names it.

    Examples
    --------
    >>> import mfbench as mf
    >>> cube = mf.open("results/small/cubes/benchmark.nc")
    >>> for name in ("s4d", "rnn"):
    ...     cube.sel(architecture=[name]).to_netcdf(f"{name}.nc")
    >>> merge_cubes(["s4d.nc", "rnn.nc"], "both.nc")
    >>> mf.open("both.nc").mf
    mfbench cube 'small': 2 architectures, 1 kernel, 1 width, 2 levels, 2 seeds
    .mf has selected, boundary, cause, profile, compare, plot
    """
    cubes = {str(path): _read(path) for path in paths}
    settings = _merged_settings(cubes)
    groups: dict[Names, list[Group]] = {}
    lengths: dict[str, dict[float, float]] = {}
    tasks: dict[tuple[str, float], tuple[str, Any]] = {}
    labels: dict[str, list[Any]] = {}
    like: dict[str, xr.Variable] = {}
    for path, cube in cubes.items():
        for names, rhos in _levels(cube).items():
            before = groups.setdefault(names, [])
            taken = {rho: group for group in before for rho in group.rho}
            for rho in taken.keys() & rhos:
                _refuse_other_numbers(taken[rho], rho, path, cubes)
            if new := [rho for rho in rhos if rho not in taken]:
                before.append(Group(*names, new, path))
        _refuse_other_tasks(path, cube, tasks)
        rho, length = cube.rho.values.tolist(), cube.memory_length.values.tolist()
        for kernel, *levels in zip(cube.kernel.values.tolist(), rho, length, strict=True):
            found = {r: m for r, m in zip(*levels, strict=True) if not math.isnan(r)}
            lengths.setdefault(kernel, {}).update(found)
        for name in map(str, cube.dims):
            labels[name] = list(dict.fromkeys(labels.get(name, []) + cube[name].values.tolist()))
        variables = {str(name): variable for name, variable in cube.variables.items()}
        like = {n: v for n, v in variables.items() if not n.startswith("boundary_")} | like
    whole = [parts[0] for parts in groups.values() if len(parts) == 1]
    kept = [group for group in whole if _keeps_boundary(cubes[group.source], settings)]

    def boundaries(part: xr.Dataset) -> xr.Dataset:
        found = boundary_variables(part)
        for group in kept:
            if group.architecture == part.architecture.item():
                cube = cubes[group.source]
                there = _at(group) | {"budget": cube.budget.values}  # other budgets stay absent
                for name, values in found.data_vars.items():
                    values.loc[there] = cube[name].sel(_at(group))
        return found

    attributes = provenance(
        title=f"mfbench benchmark cube of {settings['name']}",
        settings=settings,
        seeds={"data": settings["task"].get("seed"), "members": sorted(labels["seed"])},
    )
    attributes["sources"] = json.dumps([s for p, c in cubes.items() for s in _sources(p, c)])
    write_cube(
        out,
        [group for parts in groups.values() for group in parts],
        lambda group: cubes[group.source].sel(_at(group)).variables,
        labels=labels,
        lengths=lengths,
        like=like,
        attributes=attributes,
        derived=boundaries,
    )


def _read(path: str | Path) -> xr.Dataset:
    """A cube with its dimensions in order, and the status as codes."""
    cube = open_benchmark(path)
    dims, variables = (*GROUP, "level", *_MEMBER), ("memory_length", "selected_learning_rate")
    lacking = set(dims).difference(cube.dims) | set(variables).difference(cube.variables)
    lacking |= {"settings"}.difference(cube.attrs)
    if lacking:
        raise ValueError(f"{path} cannot be merged, it lacks {sorted(lacking)}")
    codes = np.vectorize(STATUS.index, otypes="b")(cube.status.values)
    cube["status"] = cube.status.dims, codes, cube.status.attrs
    return cube.transpose(*dims, ...)


def _at(group: Group) -> dict[str, Any]:
    return {name: getattr(group, name) for name in GROUP}


def _levels(cube: xr.Dataset) -> dict[Names, list[float]]:
    """The rho of the levels of each group, whatever their outcome."""
    there = (cube.status != STATUS.index("absent")).any(_MEMBER).values
    labels = [cube[name].values.tolist() for name in GROUP]
    return {
        names: cube.rho.values[at[-1], there[at]].tolist()
        for names, at in zip(itertools.product(*labels), np.ndindex(there.shape[:3]), strict=True)
    }


def _refuse_other_numbers(
    group: Group, rho: float, path: str, cubes: Mapping[str, xr.Dataset]
) -> None:
    """Refuse a cell that has other members or other numbers in two cubes."""
    cells = []
    for cube in (cubes[group.source], cubes[path]):
        part = cube.sel(_at(group)).reset_coords()
        cells.append(part.isel(level=part.rho.values.tolist().index(rho), drop=True))
    shared = [n for n in cells[0].data_vars if n in cells[1] and not str(n).startswith("boundary_")]
    fills = {name: nothing(str(name), cells[0][name]) for name in shared}
    one, other = xr.align(*(cell[shared] for cell in cells), join="outer", fill_value=fills)
    # Missing members first, because they lack all numbers; times of runs are no results.
    for name in sorted(set(shared) - {"seconds"}, key=lambda name: (name != "status", str(name))):
        a, b = xr.broadcast(one[name], other[name])
        differ = np.argwhere(((a != b) & (a.notnull() | b.notnull())).values)
        if not len(differ):
            continue
        at = {d: a[d].values[i].item() for d, i in zip(a.dims, differ[0], strict=True)}
        where = ", ".join(f"{d} = {value}" for d, value in at.items())
        x, y = (v.values[tuple(differ[0])].item() for v in (a, b))
        cell = group.cell(rho)
        if name == "status" and (absent := STATUS.index("absent")) in (x, y):
            lacks, has = (group.source, path) if x == absent else (path, group.source)
            raise ValueError(
                f"{lacks} lacks a member of {cell} that {has} has, with {where}: all members of a "
                "cell must be in each cube that has it"
            )
        found = f"{name} at {where}" if where else name
        raise ValueError(
            f"{group.source} and {path} have different numbers for {cell}: {found} is {x} and {y}"
        )


def _refuse_other_tasks(
    path: str, cube: xr.Dataset, known: dict[tuple[str, float], tuple[str, Any]]
) -> None:
    """Refuse a kernel that differs from an earlier cube's, and note new kernels."""
    if "memory_function" not in cube:
        return
    for i, kernel in enumerate(cube.kernel.values.tolist()):
        for j, rho in enumerate(cube.rho.values[i].tolist()):
            k = cube.memory_function.values[i, j]
            if np.isnan(k).any():
                continue  # no such level, or not run yet
            before, other = known.setdefault((kernel, rho), (path, k))
            if not np.allclose(k, other, rtol=0.0, atol=1e-4):  # machines round differently
                raise ValueError(
                    f"{before} and {path} have different memory functions for {kernel}, "
                    f"rho = {rho:.12g}"
                )


def _keeps_boundary(cube: xr.Dataset, settings: Mapping[str, Any]) -> bool:
    same = success_threshold(cube) == float(settings["evaluation"]["success"])
    return same and "boundary_monotone_p_value" in cube


def _sources(path: str, cube: xr.Dataset) -> list[dict[str, Any]]:
    """The attributes of a cube or, if it is itself merged, of its sources."""
    if "sources" in cube.attrs:
        found: list[dict[str, Any]] = json.loads(cube.attrs["sources"])
        return found
    return [{"file": Path(path).name, **{str(k): str(v) for k, v in cube.attrs.items()}}]


def _merged_settings(cubes: Mapping[str, xr.Dataset]) -> dict[str, Any]:
    """The union of the cubes' settings for each architecture, kernel and member."""
    each = {path: json.loads(cube.attrs["settings"]) for path, cube in cubes.items()}
    first_path, first = next(iter(each.items()))
    base = first["training"]
    entries: dict[str, dict[str, Any]] = {}
    levels: dict[str, dict[float, Any]] = {}
    for path, settings in each.items():
        if other := next(differences(settings["task"], first["task"], exact=True), ""):
            raise ValueError(f"{path} and {first_path} have different tasks: {other}")
        for name in cubes[path].architecture.values.tolist():
            if (entry := settings.get("architectures", {}).get(name)) is None:
                continue  # a user has renamed it
            training = merged(settings["training"], entry.get("training", {}))
            training = {k: v for k, v in training.items() if k not in MEMBERS}
            old = entries.setdefault(name, {**entry, "training": training})
            new = {**entry, "training": training, "widths": old["widths"]}
            if other := next(differences(new, old, exact=True), ""):
                raise ValueError(
                    f"architecture {name} differs between {path} and an earlier cube: {other}"
                )
            old["widths"] = sorted({*old["widths"], *entry["widths"]})
        for kernel, tasks in settings.get("kernels", {}).items():
            levels.setdefault(kernel, {}).update((float(task["rho"]), task) for task in tasks)
    for entry in entries.values():  # keep only differences from the shared training settings
        entry["training"] = {k: v for k, v in entry["training"].items() if v != base.get(k)}
    axes = {
        axis: sorted({v for s in each.values() for v in s["training"][axis]}) for axis in MEMBERS
    }
    return {
        **first,
        "name": " + ".join(dict.fromkeys(settings["name"] for settings in each.values())),
        "training": base | axes,
        "architectures": entries,
        "kernels": {
            kernel: sorted(tasks.values(), key=lambda task: float(task["memory_length"]))
            for kernel, tasks in levels.items()
        },
    }
