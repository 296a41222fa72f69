"""User-defined kernels: a `Family` in a Python file, or values in a .npy or NetCDF file."""

from __future__ import annotations

import functools
import importlib.util
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mfbench.tasks.kernels.family import Family

_PACKAGE = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class OwnKernel:
    """A user-defined kernel.

    Attributes
    ----------
    family : Family
        For a file of values, its rows by number.
    files : tuple of Path
        The kernel's file and the modules below its folder that it imports.
    """

    family: Family
    files: tuple[Path, ...]


@functools.cache
def own_kernel(reference: str) -> OwnKernel:
    """Load a kernel from a user's file.

    Parameters
    ----------
    reference : str
        ``path/to/mine.py:FAMILY``, ``path/to/mine.npy`` or ``path/to/mine.nc``, relative to the
        working directory.

    Raises
    ------
    ValueError
        The file is missing or has no valid kernel; the message names it.
    """
    file, _, name = reference.rpartition(":") if ".py:" in reference else (reference, "", "")
    path = Path(file)
    if not path.is_file():
        raise ValueError(f"no file {file!r} (looked in {Path.cwd()})")
    try:
        if name:
            return _from_python(path, name)
        return OwnKernel(_from_values(path), (path,))
    except (Exception, SystemExit) as error:
        said = str(error).partition("\n")[0]
        kind = "" if isinstance(error, ValueError | OSError) else f"{type(error).__name__}: "
        raise ValueError(f"{file}: {kind}{said}") from error


def _from_python(path: Path, name: str) -> OwnKernel:
    """A family, by its name in a module that may import its neighbours.

    Modules that it imports from below its folder are forgotten afterwards, so that the helpers of
    two kernels may have the same name.
    """
    folder, before = path.resolve().parent, set(sys.modules)
    spec = importlib.util.spec_from_file_location(f"mfbench_kernel_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look it up there
    sys.path.insert(0, str(folder))
    importlib.invalidate_caches()
    try:
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(folder))
        files = {path.resolve()}
        for loaded in set(sys.modules) - before:
            where = Path(getattr(sys.modules[loaded], "__file__", None) or "/").resolve()
            installed = _PACKAGE in where.parents or "site-packages" in where.parts
            if folder in where.parents and not installed:
                files.add(where)
                del sys.modules[loaded]
    if not hasattr(module, name):
        others = [n for n, value in vars(module).items() if isinstance(value, Family)]
        raise ValueError(f"has no {name}; its families are: {', '.join(others) or 'none'}")
    found: Any = getattr(module, name)
    if not isinstance(found, Family):
        raise ValueError(f"{name} must be a {Family.__module__}.Family, not {type(found).__name__}")
    return OwnKernel(found, tuple(sorted(files)))


def _from_values(path: Path) -> Family:
    rows = _read_npy(path) if path.suffix == ".npy" else _read_netcdf(path)
    return family_of_values(rows, path.name)


def family_of_values(values: NDArray[Any], name: str) -> Family:
    """The rows of an array (lag,) or (level, lag) as a family; a row is 0 beyond its last lag.

    Raises
    ------
    ValueError
        The array has another shape, or a row without energy or with values that are not finite
        real numbers.
    """
    if values.ndim not in (1, 2) or not values.size:
        raise ValueError(f"must have the shape (lag,) or (level, lag), but has {values.shape}")
    if values.dtype.kind not in "fiu":
        raise ValueError(f"must hold real numbers, but holds {values.dtype}")
    rows = np.atleast_2d(values).astype(np.float64)
    for wrong, what in (
        (~np.isfinite(rows).all(1), "has values that are not finite"),
        (~rows.any(1), "has no energy: all its values are 0"),
    ):
        if wrong.any():
            raise ValueError(f"row {np.argmax(wrong)} {what}")

    def function(rho: float, lag: NDArray[np.float64]) -> NDArray[np.float64]:
        row = rows[int(rho), : len(lag)]
        return np.pad(row, (0, len(lag) - len(row)))

    return Family(
        formula=f"k(s) = {'row rho of ' if len(rows) > 1 else ''}{name}",
        knob=f"row of {name}, from 0",
        low=0.0,
        high=len(rows) - 1.0,
        integer=True,
        harder_when_larger=True,
        function=function,
        grid=lambda _: np.arange(len(rows), dtype=np.float64),
    )


def _read_npy(path: Path) -> NDArray[Any]:
    with path.open("rb") as file:
        return np.asarray(np.lib.format.read_array(file, allow_pickle=False))


def _read_netcdf(path: Path) -> NDArray[Any]:
    """The variable ``memory_function``, or else the only data variable; NaN where masked."""
    import netCDF4  # slow to import, and other kernels do not need it

    with netCDF4.Dataset(path) as file:
        names = [name for name in file.variables if name not in file.dimensions]
        if "memory_function" in names:
            names = ["memory_function"]
        if len(names) != 1:
            raise ValueError(
                "needs a variable memory_function, or a single data variable; it has: "
                + (", ".join(names) or "none")
            )
        values: Any = np.ma.asarray(file[names[0]][...])
        if values.dtype.kind not in "fiu":
            return np.asarray(values.data)
        return np.asarray(values.astype(np.float64).filled(np.nan))
