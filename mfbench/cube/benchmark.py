"""The cube of a study, written one architecture at a time."""

from __future__ import annotations

import functools
import logging
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np
import xarray as xr
from numpy.typing import NDArray

from mfbench.cube.block import (
    ABSENT,
    OF_A_MODEL,
    OF_A_TASK,
    OF_A_WINDOW,
    Block,
    Check,
    Variable,
    empty,
    read_block,
)
from mfbench.cube.failure_boundaries import boundary_variables
from mfbench.cube.placement import (
    AXES_OF_FILES,
    Axes,
    fill_levels,
    labelled,
    levels_in,
    ordered,
    place,
)
from mfbench.evaluation.identity import check_of_study
from mfbench.files import OtherFileError, atomic, provenance
from mfbench.training.status import STATUS

log = logging.getLogger(__name__)
_CHUNK = 4 << 20  # bytes: what HDF5 compresses, and a reader decompresses, in one go
_LABELS = {
    "architecture": {"long_name": "name of the architecture in the study"},
    "width": {"long_name": "number of channels", "units": "1"},
    "kernel": {"long_name": "family of memory functions"},
}


def assemble_benchmark(
    path: str | Path,
    sources: Iterable[str | Path],
    *,
    architectures: Sequence[str],
    kernels: Sequence[str],
    resolved: Mapping[str, Any],
    added: Iterable[str | Path] = (),
    partial: bool = False,
) -> None:
    """Write one cube of a study, with its failure boundaries, from the files that there are.

    The axes are those of the study. What no file holds is NaN with the status 'absent'; levels,
    learning rates and seeds that a file holds and the study no longer has are left out. Memory is
    that of one architecture: its files, and its part of the cube.

    Parameters
    ----------
    path : path
        The file to write; it is complete or not there.
    sources : iterable of path
        Evaluation files, or what `assemble_architecture` has made of them.
    architectures, kernels : sequence of str
        Names in the order in which the cube shall have them.
    resolved : mapping
        The whole study with all its defaults filled in.
    added : iterable of path
        The same of evaluations whose levels are added to those of the study.
    partial : bool
        Leave out, with a warning, files that vanish meanwhile or were made with other settings:
        those of a study at work.

    Raises
    ------
    BrokenFileError
        A file is corrupt, no evaluation of mfbench, or that of another group or study.
    ValueError
        There is no file.
    """
    check = functools.partial(check_of_study, study=resolved)
    passing = (OtherFileError, FileNotFoundError) if partial else ()
    plan = _Plan(check)
    for source in sources:
        with _left_out(*passing):
            plan.scan(source)
    if not plan.files:
        raise ValueError("no evaluation file to make a benchmark of")
    extra = []
    for source in added:
        with _left_out(*passing):
            extra.append(plan.scan(source))
    lengths = {
        k: {float(task["rho"]): float(task["memory_length"]) for task in resolved["kernels"][k]}
        for k in kernels
    }
    for kernel, found in levels_in(extra).items():
        if kernel in lengths:
            lengths[kernel] |= found
    axes = Axes(
        {
            "width": sorted(
                {w for a in architectures for w in resolved["architectures"][a]["widths"]}
            ),
            "kernel": list(kernels),
            "learning_rate": sorted(resolved["training"]["learning_rates"]),
            "seed": sorted(resolved["training"]["seeds"]),
            **{name: sorted(plan.found[name]) for name in AXES_OF_FILES},
        },
        {kernel: ordered(kernel, found) for kernel, found in lengths.items()},
    )
    title = f"mfbench benchmark cube of study {resolved['name']}"
    attributes = provenance(
        title=title,
        settings=resolved,
        seeds={"data": resolved["task"]["seed"], "members": axes.labels["seed"]},
    )
    shared = _empty(plan, axes, set(OF_A_TASK) | set(OF_A_WINDOW))
    with atomic(path) as temporary:
        template = _template(plan, axes, attributes)
        with _defined(temporary, template, axes, architectures) as file:
            whole = True
            for i, architecture in enumerate(architectures):
                arrays = shared | _empty(plan, axes, set(plan.like) - set(shared))
                for source in plan.files.get(architecture, []):
                    with _left_out(*passing):
                        place(read_block(source, check=check), arrays, axes)
                for name, part in (("rho", 0), ("memory_length", 1)):
                    fill_levels(arrays[name], axes.levels, kernels, part)
                for name in set(arrays) - set(shared):
                    file[name][i] = arrays[name]
                whole &= _is_whole(arrays["status"], axes, architecture, resolved)
                boundaries = boundary_variables(_small(plan, arrays, axes, attributes))
                for boundary, variable in boundaries.data_vars.items():
                    file[str(boundary)][i] = variable.values[0]
            # Last, since every architecture has its part in them.
            for name, values in shared.items():
                file[name][...] = values
            if not whole:
                file.title = title.replace("benchmark", "partial benchmark", 1)


def _is_whole(
    status: NDArray[Any], axes: Axes, architecture: str, resolved: Mapping[str, Any]
) -> bool:
    """Whether there is every member of an architecture that the study has."""
    for width in resolved["architectures"][architecture]["widths"]:
        for k, kernel in enumerate(axes.labels["kernel"]):
            rhos = [float(task["rho"]) for task in resolved["kernels"][kernel]]
            levels = [i for i, (rho, _) in enumerate(axes.levels[kernel]) if rho in rhos]
            if (status[axes.labels["width"].index(width), k, levels] == ABSENT).any():
                return False
    return True


@contextmanager
def _left_out(*errors: type[Exception]) -> Iterator[None]:
    """Go on without a file at which one of these errors is raised."""
    try:
        yield
    except errors as error:
        log.warning("left out: %s", error)


@dataclass
class _Plan:
    """What the files hold, found without reading their numbers."""

    check: Check
    files: dict[str, list[str | Path]] = field(default_factory=dict)  # by architecture
    labels: dict[str, Variable] = field(default_factory=dict)
    like: dict[str, Variable] = field(default_factory=dict)  # empty, but for names and types
    found: dict[str, set[Any]] = field(
        default_factory=lambda: {name: set() for name in AXES_OF_FILES}
    )

    def scan(self, source: str | Path) -> Block:
        """Note what one file holds; the block has no more values than needed for that."""
        names = frozenset({"status", "rho", "memory_length"})
        block = read_block(source, check=self.check, names=names)
        self.files.setdefault(block.architecture, []).append(source)
        self.labels = block.labels | self.labels
        if not block.variables.keys() <= self.like.keys():
            new = read_block(source).variables
            self.like |= {n: _without_values(v) for n, v in new.items() if n not in self.like}
        for name in AXES_OF_FILES:
            self.found[name].update(block.axis(name))
        return block


def _without_values(variable: Variable) -> Variable:
    return Variable(variable.dims, np.empty(0, variable.values.dtype), variable.attributes)


def _empty(plan: _Plan, axes: Axes, names: set[str]) -> dict[str, NDArray[Any]]:
    """Arrays of one architecture in which everything is absent."""
    return {
        name: empty(name, like.values.dtype, tuple(map(axes.length, like.dims)))
        for name, like in plan.like.items()
        if name in names
    }


def _coordinates(plan: _Plan, axes: Axes) -> dict[str, Any]:
    """Coordinates of the cube in their order, for one architecture."""
    labels = {
        "architecture": ["one"],
        "width": axes.labels["width"],
        "kernel": axes.labels["kernel"],
        "level": list(range(axes.length("level"))),
        **axes.labels,
    }
    return {
        name: (name, labelled(values), _LABELS.get(name) or plan.labels[name].attributes)
        for name, values in labels.items()
    }


def _dims(name: str, dims: tuple[str, ...]) -> tuple[str, ...]:
    return dims if name in (*OF_A_TASK, *OF_A_WINDOW) else ("architecture", *dims)


def _small(
    plan: _Plan, arrays: Mapping[str, NDArray[Any]], axes: Axes, attributes: Mapping[str, str]
) -> xr.Dataset:
    """What the failure boundaries of one architecture follow from."""
    arrays = dict(arrays)
    # What was selected among learning rates that the study no longer has is no trial of it.
    chosen = arrays["selected_learning_rate"]
    stale = ~np.isnan(chosen) & ~np.isin(chosen, axes.labels["learning_rate"])
    arrays["selected_learning_rate"] = np.where(stale, np.nan, chosen)
    arrays["status"] = np.where(stale[..., None, None], np.int8(ABSENT), arrays["status"])
    variables = {}
    for name in ("status", "relative_mse", "selected_learning_rate"):
        variables[name] = _dims(name, plan.like[name].dims), arrays[name][None]
    coordinates = {
        name: coordinate
        for name, coordinate in _coordinates(plan, axes).items()
        if name not in AXES_OF_FILES
    }
    for name in ("rho", "memory_length"):
        coordinates[name] = plan.like[name].dims, arrays[name]
    return xr.Dataset(variables, coordinates, attributes)


def _template(plan: _Plan, axes: Axes, attributes: Mapping[str, str]) -> xr.Dataset:
    """A cube with one place along each axis, which says how the whole one is to be written."""
    one = Axes(
        {name: values[:1] for name, values in axes.labels.items()},
        {kernel: levels[:1] for kernel, levels in list(axes.levels.items())[:1]},
    )
    arrays = _empty(plan, one, set(plan.like))
    variables = {
        name: (
            _dims(name, like.dims),
            arrays[name].reshape([1] * len(_dims(name, like.dims))),
            like.attributes,
        )
        for name, like in plan.like.items()
    }
    cube = xr.Dataset(coords=_coordinates(plan, one), attrs=attributes).assign(variables)
    cube.rho.attrs["long_name"] = "knob of the kernel's family"
    cube.status.attrs.update(
        comment="absent: not in the study (then parameters or rho are NaN too), or not run yet; "
        "failed: the architecture's own code broke (see failure), which says nothing of its memory",
        flag_values=np.arange(len(STATUS), dtype="i1"),
        flag_meanings=" ".join(STATUS),
    )
    cube = cube.set_coords(["rho", "memory_length", "order", *OF_A_MODEL])
    return cube.merge(boundary_variables(cube))


@contextmanager
def _defined(
    path: Path, template: xr.Dataset, axes: Axes, architectures: Sequence[str]
) -> Iterator[netCDF4.Dataset]:
    """A new file with dimensions, variables and attributes as xarray gives them to the template."""
    plain = {n: {"_FillValue": None} for n, v in template.variables.items() if v.dtype != object}
    template.to_netcdf(path, engine="netcdf4", encoding=plain)
    lengths = {
        d: len(architectures) if d == "architecture" else axes.length(d)
        for d in map(str, template.dims)
    }
    with netCDF4.Dataset(path) as like:
        definitions = {n: (v.dtype, v.dimensions, v.__dict__) for n, v in like.variables.items()}
        attributes = dict(like.__dict__)
    with netCDF4.Dataset(path, "w") as file:
        for name, length in lengths.items():
            file.createDimension(name, length)
        for name, (kind, dims, described) in definitions.items():
            fill = described.pop("_FillValue", None if kind is str else False)
            packed: dict[str, Any] = {}
            if kind is not str and dims:
                chunk = _chunk([lengths[d] for d in dims], dims, kind.itemsize)
                packed = {"zlib": True, "complevel": 3, "chunksizes": chunk, "chunk_cache": _CHUNK}
            variable = file.createVariable(name, kind, dims, fill_value=fill, **packed)
            variable.set_auto_maskandscale(False)
            variable.setncatts(described)
        file.setncatts(attributes)
        for name in map(str, template.dims):
            labels = list(architectures) if name == "architecture" else axes.labels.get(name)
            file[name][...] = labelled(labels or list(range(lengths[name])))
        yield file


def _chunk(lengths: Sequence[int], dims: Sequence[str], size: int) -> list[int]:
    """One architecture in a chunk, or less where that is large."""
    chunk = [1 if d == "architecture" else n for d, n in zip(dims, lengths, strict=True)]
    for i, n in enumerate(chunk):
        rest = math.prod(chunk[i + 1 :]) * size
        chunk[i] = max(1, min(n, _CHUNK // rest))
    return chunk
