"""The numbers of one architecture with labelled axes, as evaluations and their unions hold them.

Files are read with netCDF4 itself: with some fifty variables in each of ten thousand files,
what xarray does for every variable costs more than the reading.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np
from numpy.typing import NDArray

from mfbench.files import atomic, check_variables, sealed
from mfbench.training.status import STATUS

Check = Callable[[str | Path, Mapping[str, Any]], None]
ABSENT = STATUS.index("absent")
OF_A_TASK = ("rho", "memory_length", "order", "memory_function")  # the same for all architectures
OF_A_MODEL = ("parameters", "state_size", "receptive_field", "linear")  # the same for all levels
OF_A_WINDOW = ("weights",)  # the same for all


@dataclass
class Variable:
    """Values with the names of their axes and their attributes."""

    dims: tuple[str, ...]
    values: NDArray[Any]
    attributes: dict[str, Any]


@dataclass
class Block:
    """Evaluations of one architecture.

    Attributes
    ----------
    architecture : str
        Its name in the study.
    labels : dict of str to Variable
        The labels along each axis: width, kernel, level, learning_rate, seed, step, ...
    variables : dict of str to Variable
        All else. Levels are numbered within each kernel: ``rho(kernel, level)`` says what they are,
        NaN where a kernel has fewer of them.
    """

    architecture: str
    labels: dict[str, Variable]
    variables: dict[str, Variable]

    def axis(self, name: str) -> list[Any]:
        """The labels along an axis as a list."""
        values: list[Any] = self.labels[name].values.tolist()
        return values

    def present(self) -> NDArray[np.bool_]:
        """Where something has been evaluated; dimensions width, kernel, level."""
        there = self.variables["status"].values != ABSENT
        return there.any(axis=tuple(range(3, there.ndim)))  # type: ignore[no-any-return]


def rho_of(block: Block) -> list[float]:
    """All rho of a block, kernel by kernel."""
    rho = block.variables["rho"].values
    found: list[float] = rho[~np.isnan(rho)].tolist()
    return found


def dims_of(name: str, dims: tuple[str, ...]) -> tuple[str, ...]:
    """Dimensions in a block of a variable with these dimensions in an evaluation file."""
    rest = tuple(d for d in dims if d != "level")
    if name in OF_A_WINDOW:
        return rest
    if name in OF_A_MODEL:
        return ("width", *rest)
    return ("kernel", "level", *rest) if name in OF_A_TASK else ("width", "kernel", "level", *rest)


def empty(name: str, dtype: np.dtype[Any], shape: tuple[int, ...]) -> NDArray[Any]:
    """An array in which everything is absent: NaN, the status 'absent', or no text."""
    if name == "status":
        return np.full(shape, ABSENT, dtype="i1")
    if dtype.kind == "O":
        return np.full(shape, "", dtype=object)
    # The large ones are float32; whole numbers need the NaN of a float.
    return np.full(shape, np.nan, dtype="f4" if dtype == np.float32 else "f8")


@contextmanager
def _opened(path: str | Path, check: Check | None) -> Iterator[netCDF4.Dataset]:
    with netCDF4.Dataset(sealed(path)) as file:
        file.set_auto_maskandscale(False)
        check_variables(path, "evaluation", file.variables, needed=("status", "rho"))
        if check is not None:
            check(path, file.__dict__)
        yield file


def read_block(
    path: str | Path, *, check: Check | None = None, names: frozenset[str] | None = None
) -> Block:
    """Read an evaluation file, or what `write_block` has written.

    Parameters
    ----------
    path : path
        The file.
    check : callable, optional
        Called with the path and the global attributes; it raises where they are not as expected.
    names : frozenset of str, optional
        Read the values of the labels and of these variables only; the others come with their
        dimensions and type and without values and attributes.

    Raises
    ------
    BrokenFileError
        The file is corrupt or no evaluation of mfbench.
    """
    with _opened(path, check) as file:
        labels: dict[str, Variable] = {}
        variables: dict[str, Variable] = {}
        one = "width" not in file.dimensions  # an evaluation: one width and one kernel
        for name, variable in file.variables.items():
            if name in file.dimensions or names is None or name in names:
                found = Variable(variable.dimensions, variable[...], _attributes(variable))
            else:
                kind: Any = object if variable.dtype is str else variable.dtype
                shape = (0,) * len(variable.dimensions)
                found = Variable(variable.dimensions, np.empty(shape, dtype=kind), {})
            (labels if name in file.dimensions else variables)[name] = found
        if one:
            variables = {name: _lifted(name, v) for name, v in variables.items()}
            labels["width"] = Variable(("width",), np.array([int(file.width)]), {})
            labels["kernel"] = Variable(("kernel",), np.array([file.kernel], dtype=object), {})
        return Block(str(file.architecture_name), labels, variables)


def _attributes(variable: Any) -> dict[str, Any]:
    return {name: variable.getncattr(name) for name in variable.ncattrs()}


def _lifted(name: str, variable: Variable) -> Variable:
    """A variable of an evaluation with the axes that the evaluation is one place of."""
    values = variable.values
    if name in OF_A_WINDOW:
        values = values[0] if len(values) else values.sum(axis=0)
    elif name in OF_A_MODEL:
        values = values[:1]
    else:
        values = values[None] if name in OF_A_TASK else values[None, None]
    return Variable(dims_of(name, variable.dims), values, variable.attributes)


def write_block(path: str | Path, block: Block, attributes: Mapping[str, Any]) -> None:
    """Write a block atomically, uncompressed: it is read once and its disk is scratch."""
    with atomic(path) as temporary, netCDF4.Dataset(temporary, "w") as file:
        for name, label in block.labels.items():
            file.createDimension(name, len(label.values))
        for name, variable in (block.labels | block.variables).items():
            dtype: Any = str if variable.values.dtype == object else variable.values.dtype
            attributes_of = dict(variable.attributes)
            fill = attributes_of.pop("_FillValue", False)
            made = file.createVariable(name, dtype, variable.dims, fill_value=fill)
            made.set_auto_maskandscale(False)
            made.setncatts(attributes_of)
            made[...] = variable.values
        file.setncatts({**attributes, "architecture_name": block.architecture})
