"""A cube, written one architecture at a time: memory is that of one architecture."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np
import xarray as xr
from numpy.typing import NDArray

from mfbench.cube.failure_boundaries import GROUP, boundary_variables
from mfbench.files import atomic
from mfbench.tasks.kernels.registry import families
from mfbench.tasks.kernels.registry import family as find_family
from mfbench.training.status import STATUS

Axes = Mapping[str, Sequence[Any]]  # the labels of each dimension
_OF_A_TASK = ("rho", "memory_length", "order", "memory_function")  # the same for all architectures
_OF_A_MODEL = ("parameters", "state_size", "receptive_field", "linear")  # the same for all tasks
_COORDINATES = ("rho", "memory_length", "order", *_OF_A_MODEL)
_ATTRIBUTES: dict[str, dict[str, Any]] = {
    "architecture": {"long_name": "name of the architecture in the study"},
    "width": {"long_name": "number of channels", "units": "1"},
    "kernel": {"long_name": "family of memory functions"},
    "rho": {"long_name": "knob of the kernel's family"},
    "status": {
        "comment": "absent: not in the study (then parameters or rho are NaN too), or not run yet; "
        "failed: the architecture's own code broke (see failure), which says nothing of its memory",
        "flag_values": np.arange(len(STATUS), dtype="i1"),
        "flag_meanings": " ".join(STATUS),
    },
}


@dataclass(frozen=True)
class Group:
    """What a file holds of one (architecture, width, kernel): its levels."""

    architecture: str
    width: int
    kernel: str
    rho: Sequence[float]
    source: str

    def cell(self, rho: float) -> str:
        """One of its cells in words."""
        return f"{self.architecture}, width {self.width}, {self.kernel}, rho = {rho:g}"


def write_cube(
    path: str | Path,
    groups: Iterable[Group],
    read: Callable[[Group], Mapping[Any, xr.Variable] | None],
    *,
    labels: Axes,
    lengths: Mapping[str, Mapping[float, float]],
    like: Mapping[str, xr.Variable],
    attributes: Mapping[str, str],
    boundaries: Callable[[xr.Dataset], xr.Dataset] = boundary_variables,
) -> None:
    """Write a cube with its failure boundaries, atomically.

    Parameters
    ----------
    path : path
    groups : iterable of Group
        No two of them have the same level of the same group.
    read : callable
        Gives the variables of a group with their labels and the status as codes; None for none.
    labels, lengths
        Labels of each dimension but level, and the memory length of each rho by kernel.
    like, attributes
        All variables, of which the values are not used, and the global attributes.
    boundaries : callable
        Gives the failure boundaries of one architecture's part.
    """
    levels = {kernel: _ordered(kernel, found) for kernel, found in lengths.items()}
    numbers: Axes = {"level": range(max(map(len, levels.values())))}
    axes: Axes = {**{d: labels[d] for d in GROUP}, **numbers, **labels}
    part = _empty(axes, like).assign_attrs(attributes)
    arrays = {str(n): v.values for n, v in part.variables.items() if n not in axes}
    for kernel, rhos in levels.items():
        at = axes["kernel"].index(kernel), slice(len(rhos))
        arrays["rho"][at] = rhos
        arrays["memory_length"][at] = [lengths[kernel][rho] for rho in rhos]
    of: dict[str, list[Group]] = {name: [] for name in axes["architecture"]}
    for group in groups:
        of[group.architecture].append(group)
    shared = [name for name in arrays if "architecture" not in part[name].dims]
    with atomic(path) as temporary:
        for i, (architecture, its_groups) in enumerate(of.items()):
            for name in arrays.keys() - shared:
                arrays[name][...] = nothing(name, arrays[name])
            for group in its_groups:
                if (found := read(group)) is not None:
                    _place(group, found, arrays, axes, levels[group.kernel])
            part = part.assign_coords(architecture=part.architecture.copy(data=[architecture]))
            whole = part.merge(boundaries(part))
            if i == 0:
                packed = {"zlib": True, "complevel": 3}
                encoding = {n: packed for n, v in whole.variables.items() if v.dtype != object}
                whole.to_netcdf(temporary, unlimited_dims=["architecture"], encoding=encoding)
            else:
                own = {n: v for n, v in whole.variables.items() if "architecture" in v.dims}
                _write(temporary, own, slice(i, i + 1))
        # Last, since every architecture has its part in them.
        _write(temporary, {name: part.variables[name] for name in shared}, ...)


def _write(path: Path, variables: Mapping[Any, xr.Variable], at: Any) -> None:
    with netCDF4.Dataset(path, "a") as file:
        file.set_auto_maskandscale(False)
        for name, variable in variables.items():
            file[name][at] = variable.values


def _ordered(kernel: str, lengths: Mapping[float, float]) -> list[float]:
    """The rho of a kernel from easy to hard."""
    # A published cube may have a kernel that this installation lacks.
    rises = kernel not in families() or find_family(kernel).harder_when_larger
    return sorted(lengths, key=lambda rho: (lengths[rho], rho if rises else -rho))


def nothing(name: str, values: Any) -> Any:
    """What a variable has where there is nothing."""
    return STATUS.index("absent") if name == "status" else "" if _is_text(values) else np.nan


def _is_text(values: Any) -> bool:
    return values.dtype.kind not in "biuf"


def _empty(axes: Axes, like: Mapping[str, xr.Variable]) -> xr.Dataset:
    """The part of one architecture, with nothing in it."""
    coordinates = {
        name: (name, np.array(labels, object if isinstance(labels[0], str) else None))
        for name, labels in axes.items()
    }
    cube = xr.Dataset(coords=coordinates).isel(architecture=[0])
    for name, variable in like.items():
        if name not in axes:
            # Whole numbers need the NaN of a float; the largest variables are float32.
            number = "i1" if name == "status" else np.result_type(variable.dtype, np.float32)
            kind = object if _is_text(variable) else number
            dims = _dims(name, variable)
            shape = [cube.sizes[d] for d in dims]
            cube[name] = dims, np.full(shape, nothing(name, variable), kind), variable.attrs
    for name in map(str, cube.variables):
        attributes = {**(like[name].attrs if name in like else {}), **_ATTRIBUTES.get(name, {})}
        cube[name].attrs = {k: v for k, v in attributes.items() if k != "_FillValue"}
    return cube.set_coords([name for name in _COORDINATES if name in cube])


def _dims(name: str, variable: xr.Variable) -> list[str]:
    """Dimensions in the cube of a variable of an evaluation, or of another cube."""
    rest = [str(d) for d in variable.dims if d not in (*GROUP, "level")]
    if name == "weights":
        return rest
    if name in _OF_A_MODEL:
        return ["architecture", "width", *rest]
    return ["kernel", "level", *rest] if name in _OF_A_TASK else [*GROUP, "level", *rest]


def _place(
    group: Group,
    found: Mapping[Any, xr.Variable],
    arrays: Mapping[str, NDArray[Any]],
    axes: Axes,
    levels: Sequence[float],
) -> None:
    """Write what a group holds to its place in the arrays of its architecture."""
    rhos = found["rho"].values.tolist()
    source = {"level": [i for i, rho in enumerate(rhos) if rho in group.rho]}
    target = {
        "architecture": [0],
        "width": [axes["width"].index(group.width)],
        "kernel": [axes["kernel"].index(group.kernel)],
        "level": [levels.index(rhos[i]) for i in source["level"]],
    }
    for name in {str(d) for variable in found.values() for d in variable.dims} - {"level"}:
        here, there = found[name].values.tolist(), {v: i for i, v in enumerate(axes[name])}
        source[name] = [i for i, label in enumerate(here) if label in there]
        target[name] = [there[here[i]] for i in source[name]]
    for name in arrays.keys() & found.keys():
        dims = _dims(name, found[name])
        # What is the same at all levels is taken from the first.
        once = {} if "level" in dims else {"level": source["level"][:1]}
        values = found[name].values[np.ix_(*((source | once)[str(d)] for d in found[name].dims))]
        # A model that could not be built hides no other's size.
        if values.size and not (name in _OF_A_MODEL and np.isnan(values).all()):
            arrays[name][np.ix_(*(target[d] for d in dims))] = values
