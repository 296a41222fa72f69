"""Write a cube one architecture at a time, with only one of them in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np
import xarray as xr
from numpy.typing import NDArray

from mfbench.cube.failure_boundaries import GROUP
from mfbench.cube.schema import SCHEMA_VERSION
from mfbench.files import atomic
from mfbench.files.paths import rho_text
from mfbench.tasks.kernels.lookup import families
from mfbench.tasks.kernels.lookup import family as find_family
from mfbench.training.status import STATUS

Axes = Mapping[str, Sequence[Any]]  # the labels of each dimension
Places = Mapping[str, Mapping[Any, int]]  # and the position of each label
Variables = Mapping[Any, xr.Variable]
# The same for all architectures.
_OF_A_TASK = (
    *("rho", "memory_length", "order", "memory_function"),
    *("zero_error", "ridge_error", "ridge_window"),
)
# The same for all tasks.
_OF_A_MODEL = ("parameters", "state_size", "receptive_field", "linear", "multiply_adds")
_COORDINATES = ("rho", "memory_length", "order", *_OF_A_MODEL)
_CACHE = 1 << 20  # bytes of each variable that HDF5 keeps in memory
_ATTRIBUTES: dict[str, dict[str, Any]] = {
    "architecture": {"long_name": "name of the architecture in the study"},
    "width": {"long_name": "number of channels", "units": "1"},
    "kernel": {"long_name": "name of the family of memory functions in the study"},
    "rho": {"long_name": "knob of the kernel's family"},
    "status": {
        "comment": "absent: not in the study (then parameters or rho are NaN too), or not run yet; "
        "failed: the architecture's own code broke (see message), which says nothing about memory",
        "flag_values": np.arange(len(STATUS), dtype="i1"),
        "flag_meanings": " ".join(STATUS),
    },
}


@dataclass(frozen=True)
class Group:
    """The levels of one (architecture, width, kernel) in one file."""

    architecture: str
    width: int
    kernel: str
    rho: Sequence[float]
    source: str

    def cell(self, rho: float) -> str:
        """One of its cells, for messages."""
        return f"{self.architecture}, width {self.width}, {self.kernel}, rho = {rho_text(rho)}"


def write_cube(
    path: str | Path,
    groups: Sequence[Group],
    read: Callable[[Group], Variables | None],
    *,
    labels: Mapping[str, Iterable[Any]],
    lengths: Mapping[str, Mapping[float, float]],
    like: Variables,
    attributes: Mapping[str, str],
    derived: Callable[[xr.Dataset], xr.Dataset],
) -> None:
    """Write a cube atomically.

    Parameters
    ----------
    path : path
    groups : sequence of Group
        Each level of each (architecture, width, kernel) is in one of them at most.
    read : callable
        Returns the variables of a group with their labels, and the status as codes; None if absent.
    labels, lengths, like, attributes
        The labels of each dimension (architectures and kernels keep their order), the memory length
        of each rho by kernel, all variables without their values, and the global attributes.
    derived : callable
        Returns variables derived from all cells of one architecture, as its failure boundaries.
    """
    levels = {kernel: in_order(kernel, found) for kernel, found in lengths.items()}
    labels = {**labels, "level": range(max(map(len, levels.values())))}
    axes = {
        d: list(labels[d]) if d in ("architecture", "kernel") else sorted(labels[d])
        for d in (*GROUP, "level", *labels)
    }
    places = {d: {label: i for i, label in enumerate(axes[d])} for d in axes}
    part = _empty(axes, like).assign_attrs(attributes, schema_version=np.int32(SCHEMA_VERSION))
    arrays = {str(n): v.values for n, v in part.variables.items() if n not in axes}
    for kernel, rhos in levels.items():
        at = places["kernel"][kernel], slice(len(rhos))
        arrays["rho"][at] = rhos
        arrays["memory_length"][at] = [lengths[kernel][rho] for rho in rhos]
    whole = part.assign(derived(part).data_vars)
    packed = {
        n: {"zlib": True, "complevel": 3} for n, v in whole.variables.items() if v.dtype != "O"
    }
    own = [str(n) for n, v in whole.variables.items() if "architecture" in v.dims]
    with atomic(path) as temporary:
        whole.to_netcdf(temporary, unlimited_dims=["architecture"], encoding=packed)
        with netCDF4.Dataset(temporary, "a") as file:
            file.set_auto_maskandscale(False)
            for variable in file.variables.values():
                variable.set_var_chunk_cache(size=_CACHE)
            for i, architecture in enumerate(axes["architecture"]):
                for name in arrays.keys() & own:
                    arrays[name][...] = nothing(name, arrays[name])
                for group in (group for group in groups if group.architecture == architecture):
                    level = {rho: levels[group.kernel].index(rho) for rho in group.rho}
                    if (found := read(group)) is not None:
                        _place(group, found, arrays, places | {"level": level})
                part = part.assign_coords(architecture=part.architecture.copy(data=[architecture]))
                values = {**part.variables, **derived(part).variables}
                for name in own:
                    file[name][i : i + 1] = values[name].values
            for name in arrays.keys() - own:  # last, because every architecture adds to them
                file[name][...] = arrays[name]


def in_order(kernel: str, lengths: Mapping[float, float]) -> list[float]:
    """The rho of a kernel from easy to hard."""
    sign = 0  # levels of one memory length keep their order if the family is not registered
    if kernel in families():
        sign = 1 if find_family(kernel).harder_when_larger else -1
    return sorted(lengths, key=lambda rho: (lengths[rho], sign * rho))


def nothing(name: str, values: Any) -> Any:
    """The value of a variable where there is no data."""
    number = STATUS.index("absent") if name == "status" else np.nan
    return number if values.dtype.kind in "biuf" else ""


def _empty(axes: Axes, like: Variables) -> xr.Dataset:
    """The part of one architecture, without data."""
    coordinates = {
        name: (name, np.array(labels, object if isinstance(labels[0], str) else None))
        for name, labels in axes.items()
    }
    cube = xr.Dataset(coords=coordinates).isel(architecture=[0])
    for name, variable in like.items():
        if name not in axes:
            dims, value = _dims(name, variable), nothing(name, variable)
            # Floats, because whole numbers have no NaN; float32 stays, for the largest variables.
            number = "i1" if name == "status" else np.result_type(variable.dtype, np.float32)
            values = np.full(
                [cube.sizes[d] for d in dims], value, object if value == "" else number
            )
            cube[name] = dims, values, variable.attrs
    for name in map(str, cube.variables):
        attributes = {**(like[name].attrs if name in like else {}), **_ATTRIBUTES.get(name, {})}
        cube[name].attrs = {k: v for k, v in attributes.items() if k != "_FillValue"}
    return cube.set_coords([name for name in _COORDINATES if name in cube])


def _dims(name: str, variable: xr.Variable) -> list[str]:
    """Dimensions in the cube of a variable from an evaluation or another cube."""
    rest = [str(d) for d in variable.dims if d not in (*GROUP, "level")]
    if name == "weights":
        return rest
    if name in _OF_A_MODEL:
        return ["architecture", "width", *rest]
    return ["kernel", "level", *rest] if name in _OF_A_TASK else [*GROUP, "level", *rest]


def _place(group: Group, found: Variables, arrays: dict[str, NDArray[Any]], places: Places) -> None:
    """Copy a group's values to their places in the arrays of its architecture."""
    target = {d: [places[d][getattr(group, d)]] for d in ("width", "kernel")} | {
        "architecture": [0]
    }
    source = {}
    for name in {str(d) for variable in found.values() for d in variable.dims}:
        here, there = found["rho" if name == "level" else name].values.tolist(), places[name]
        source[name] = [i for i, label in enumerate(here) if label in there]
        target[name] = [there[here[i]] for i in source[name]]
    for name in arrays.keys() & found.keys():
        dims = _dims(name, found[name])
        # A variable that is the same at all levels is taken from the first.
        once = {} if "level" in dims else {"level": source["level"][:1]}
        values = found[name].values[np.ix_(*((source | once)[str(d)] for d in found[name].dims))]
        at = np.ix_(*(target[d] for d in dims))
        # Several groups share these values: one without them, such as a model that could not be
        # built, must not erase those of the others.
        if name in (*_OF_A_MODEL, *_OF_A_TASK):
            values = np.where(np.isnan(values), arrays[name][at], values)
        if values.size:
            arrays[name][at] = values
