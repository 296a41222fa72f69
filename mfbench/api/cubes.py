"""Open a cube of results, and ask it what most people ask."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import xarray as xr

from mfbench.api.plots import Plots
from mfbench.cube.compare import compare_cubes
from mfbench.cube.failure_boundaries import CENSORED, success_threshold
from mfbench.cube.read import open_benchmark
from mfbench.cube.select import longest, selected, trained
from mfbench.files.cube_path import cube_path
from mfbench.files.reference import reference_cubes
from mfbench.words import counted

_PARTS = ("kernel_error", "time_variation", "squared_bias", "nonlinear_residual")
_OF_THE_STATE = (
    *("memory_capacity", "marked_memory_capacity", "total_memory_capacity", "readout_error"),
)


def open_cube(path: str | Path) -> xr.Dataset:
    """Open a benchmark cube, or a part of one that was saved with ``to_netcdf``.

    Parameters
    ----------
    path : path
        ``results/NAME/cubes/benchmark.nc``, also of an earlier version of mfbench.

    Returns
    -------
    Dataset
        All results, over architecture, width, kernel, level, budget, learning_rate and seed. Its
        ``.mf`` has the methods of `CubeMethods`.

    Raises
    ------
    OSError
        The file is missing (the message names a cube nearby) or not a NetCDF file.
    ValueError
        The file is not a benchmark cube, or its layout is of a newer version of mfbench.

    Examples
    --------
    >>> import mfbench as mf
    >>> cube = mf.open("results/small/cubes/benchmark.nc")
    >>> cube.mf
    mfbench cube 'small': 2 architectures, 1 kernel, 1 width, 2 levels, 2 seeds
    .mf has selected, boundary, cause, profile, compare, plot
    >>> cube.mf.boundary().memory_length.sel(kernel="exponential").dims
    ('architecture', 'width')
    """
    return open_benchmark(cube_path(path))


def reference(tasks: str = "plain") -> xr.Dataset:
    """Open the cube of the reference study, which ships with mfbench (docs/findings.md).

    Parameters
    ----------
    tasks : str
        ``"plain"``, ``"marked input"`` or ``"marked clock"`` (docs/tasks.md).

    Returns
    -------
    Dataset
        As `open_cube` returns it, without large variables.

    Raises
    ------
    ValueError
        This version ships no cube for these tasks.

    Examples
    --------
    >>> import mfbench as mf
    >>> cube = mf.reference()
    >>> int(cube.sizes["architecture"]), json.loads(cube.attrs["settings"])["match"]
    (20, {'parameters': 2000, 'state': None})
    """
    cubes = {
        name.removeprefix("reference").replace("_", " ").strip() or "plain": path
        for name, path in reference_cubes().items()
    }
    if tasks not in cubes:
        raise ValueError(f"no reference cube for {tasks!r}; choose from {', '.join(cubes)}")
    return open_benchmark(cubes[tasks])


@xr.register_dataset_accessor("mf")  # type: ignore[no-untyped-call]
class CubeMethods:
    """What a cube can answer; `mfbench.open` adds it to Datasets as ``.mf``.

    All methods look at the largest budget (training steps) of a cube.

    Parameters
    ----------
    cube : Dataset
        A benchmark cube.
    """

    def __init__(self, cube: xr.Dataset) -> None:
        self._cube = longest(cube)

    def selected(self) -> xr.Dataset:
        """Each seed at the learning rate that is best for the other seeds of its cell.

        Returns
        -------
        Dataset
            The cube without the dimensions budget and learning_rate.
        """
        return selected(self._cube)

    def boundary(self) -> xr.Dataset:
        """Where the probability of success falls to one half.

        Returns
        -------
        Dataset
            By architecture, width and kernel: ``memory_length`` and ``rho`` at the boundary with
            the ends ``_low`` and ``_high`` of their 90 % intervals; ``censored``: 'none', 'below'
            (fails at the easiest level), 'above' (succeeds at the hardest) or 'absent'.
        """
        names = {n: str(n)[9:] for n in self._cube.data_vars if str(n).startswith("boundary_")}
        found = self._of_version(*names or ["boundary_censored"]).reset_coords(drop=True)
        found = found.drop_attrs(deep=False).rename(names)
        words = np.array(CENSORED, dtype=object)[found.censored.values.astype(int)]
        return found.assign(censored=(found.censored.dims, words, {"long_name": "boundary side"}))

    def cause(self) -> xr.Dataset:
        """Why cells are not solved.

        Returns
        -------
        Dataset
            ``cause`` and ``cause_evidence`` by architecture, width, kernel and level; empty texts
            where a cell is solved or has no result.
        """
        return self._of_version("cause", "cause_evidence").drop_attrs(deep=False)

    def profile(self, architecture: str, *, width: int | None = None) -> xr.Dataset:
        """What one architecture can and cannot learn.

        Parameters
        ----------
        architecture : str
            Its name in the study.
        width : int, optional
            Default: the largest width at which it was trained.

        Returns
        -------
        Dataset
            By kernel and level: ``error`` (median over seeds; a diverged seed counts as infinite),
            ``error_low`` and ``error_high`` (best and worst seed), ``success_rate``, the floors and
            the baselines, the median parts of the error, ``learned_memory_function`` and
            ``memory_function`` over lag, the ``memory_capacity`` of the state over lag, its sum and
            the ``readout_error`` (NaN for models without a step form), and ``cause``. By kernel:
            ``boundary``, ``boundary_low``, ``boundary_high`` in M99.
        """
        here = _at(self._cube, architecture, width)
        best = selected(here)
        error = best.relative_mse.where(best.status != "diverged", np.inf)
        count = trained(best).sum("seed")
        solved = (best.relative_mse < success_threshold(here)).sum("seed")
        found = {
            "error": error.median("seed"),
            "error_low": error.min("seed"),
            "error_high": error.max("seed"),
            "success_rate": (solved / count).where(count > 0),
        }
        for name in (*_PARTS, "learned_memory_function"):
            found[name] = best[name].median("seed", keep_attrs=True)
        for name in _OF_THE_STATE:
            if name in best:
                found[name] = best[name].median("seed", keep_attrs=True)
        baselines = ("zero_error", "ridge_error", "linear_system_error")
        for name in ("lower_floor", "upper_floor", *baselines, "cause", "memory_function"):
            if name in here:
                found[name] = here[name]
        ends = {"": "boundary", "_low": "boundary_low", "_high": "boundary_high"}
        found |= {name: here[f"boundary_memory_length{end}"] for end, name in ends.items()}
        return xr.Dataset(found, attrs={"architecture": architecture, "width": int(here.width)})

    def compare(self, a: str, b: str, *, width: int | None = None) -> xr.Dataset:
        """Compare two architectures of the cube, task by task.

        Parameters
        ----------
        a, b : str
            Names in the study.
        width : int, optional
            Default: each at the largest width at which it was trained.

        Returns
        -------
        Dataset
            By kernel and level: ``error_a``, ``error_b``, ``log10_ratio`` (negative where `b` is
            better) with its 90 % interval ``low`` .. ``high``, the ``p_value``, and ``differs``
            (`mfbench.cube.compare.compare_cubes`).
        """
        sides = []
        for name in (a, b):
            here = _at(self._cube, name, width)
            here = here.assign_coords(architecture="the same", width=0)
            sides.append(here.expand_dims(["architecture", "width"]))
        found = compare_cubes(*sides).isel(architecture=0, width=0, drop=True)
        kept = {"kernel", "level", "rho", "memory_length", *found.data_vars}
        counts = {key: found.attrs[key] for key in ("only_in_a", "only_in_b")}
        found = found.drop_vars([name for name in found.variables if name not in kept])
        return found.drop_attrs(deep=False).assign_attrs(a=a, b=b, **counts)

    @property
    def plot(self) -> Plots:
        """Charts: ``error``, ``memory`` and ``boundary``."""
        return Plots(self._cube)

    def _of_version(self, *names: str) -> xr.Dataset:
        if lacking := [name for name in names if name not in self._cube]:
            raise ValueError(
                f"this cube lacks {', '.join(lacking)}: it was cut from a larger cube, or written "
                "by an earlier version of mfbench"
            )
        return self._cube[list(names)]

    def __repr__(self) -> str:
        cube = self._cube
        name = json.loads(cube.attrs.get("settings", "{}")).get("name", "")
        methods = "selected, boundary, cause, profile, compare, plot"
        return f"mfbench cube {name!r}: {contents(cube)}\n.mf has {methods}"


def contents(cube: xr.Dataset) -> str:
    """What a cube holds, in a line."""
    named = ("architecture", "kernel", "width", "level", "seed")
    return ", ".join(counted(cube.sizes[dim], dim) for dim in named if dim in cube.sizes)


def _at(cube: xr.Dataset, architecture: str, width: int | None) -> xr.Dataset:
    """The part of one architecture at one width, by default the largest that was trained."""
    names = np.atleast_1d(cube.architecture.values).tolist()
    if architecture not in names:
        raise ValueError(f"the cube has no architecture {architecture!r}; it has {names}")
    here = cube.sel(architecture=architecture)
    run = trained(here)
    there = here.width.values[run.any([d for d in run.dims if d != "width"]).values]
    if not len(there):
        raise ValueError(f"{architecture} was not trained")
    width = int(there.max()) if width is None else width
    if width not in there:
        raise ValueError(f"{architecture} has no width {width}; it has {there.tolist()}")
    return here.sel(width=width)
