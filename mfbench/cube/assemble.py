"""Assemble the cube of a study from its evaluations."""

from __future__ import annotations

import functools
import json
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np
import xarray as xr

from mfbench.baselines.netcdf import Baselines, read_baselines
from mfbench.cube.baselines import baseline_variables
from mfbench.cube.causes import cause_variables
from mfbench.cube.failure_boundaries import boundary_variables
from mfbench.cube.select import longest
from mfbench.cube.write import Group, write_cube
from mfbench.files import OtherFileError, check_identity, check_variables, provenance, sealed
from mfbench.study.training import merged

log = logging.getLogger(__name__)
_AXES = {"budget": "steps", "learning_rate": "learning_rates", "seed": "seeds"}
_OF_A_RUN = ("rho", "status", "relative_mse", "best_validation_error")
_OF_A_LEVEL = ("rho", "memory_length", "selected_learning_rate")


def assemble_cube(
    path: str | Path,
    sources: Iterable[str | Path],
    *,
    architectures: Sequence[str],
    kernels: Sequence[str],
    study: Mapping[str, Any],
    partial: bool = False,
    diagnosis: Iterable[str | Path] = (),
    baselines: Iterable[str | Path] = (),
) -> None:
    """Write the cube of a study, with failure boundaries and causes, from evaluations.

    The cube has the study's levels and any further levels of the evaluations.

    Parameters
    ----------
    path : path
        The file to write; it is either complete or absent.
    sources : iterable of path
        Evaluations; each level of a group is in exactly one of them.
    architectures, kernels : sequence of str
        Names in the order of the cube.
    study : mapping
        The resolved study (`mfbench.workflow.plan.study_settings`).
    partial : bool
        Accept an unfinished study: missing members are NaN with the status 'absent'. Evaluations
        that vanish meanwhile, were made with other settings or have no member of the study are left
        out with a warning. Single members that the study no longer has are left out silently.
    diagnosis : iterable of path
        Evaluations of the runs of the phase `diagnose`.
    baselines : iterable of path
        Baselines of tasks; without any, the cube lacks their variables.

    Raises
    ------
    BrokenFileError
        A file is corrupt, is not an evaluation, belongs to another group or study, or repeats a
        level of another file.
    ValueError
        There are no evaluations, or one is missing and `partial` is not set.
    """
    errors = (OtherFileError, FileNotFoundError) if partial else ()
    opened = functools.partial(_opened, study=study, partial=partial)
    members = {axis: sorted(study["training"][name]) for axis, name in _AXES.items()}
    # A pilot keeps some rates of each group.
    required = {**members, "learning_rate": []} if study.get("pilot") else members
    widths = {name: study["architectures"][name]["widths"] for name in architectures}
    lengths = {
        kernel: {float(v["rho"]): float(v["memory_length"]) for v in study["kernels"][kernel]}
        for kernel in kernels
    }
    expected = [
        Group(a, w, k, [*lengths[k]], "") for a in widths for w in widths[a] for k in kernels
    ]
    groups: list[Group] = []
    whose: dict[str, str] = {}  # the source of each cell
    complete: set[str] = set()  # cells with all members
    labels: dict[str, Any] = {}
    like: dict[str, xr.Variable] = {}
    for source in map(str, sources):
        with _left_out(errors), opened(source) as file:
            own = {name: set(file[name][...].tolist()) for name in file.dimensions}
            rho, length, chosen = (file[name][...] for name in _OF_A_LEVEL)
            chosen = chosen[:, np.isin(file["budget"][...], members["budget"])]
            # Keep failed cells, which have no rate; drop cells whose rate left the study.
            stays = np.isnan(chosen) | np.isin(chosen, members["learning_rate"])
            stays = stays.reshape(len(rho), -1).all(1)
            here = dict(zip(rho[stays].tolist(), length[stays].tolist(), strict=True))
            names = str(file.architecture_name), int(file.width), str(file.kernel)
            group = Group(*names, list(here), source)
            cells = [group.cell(rho) for rho in here]
            if twice := [cell for cell in cells if cell in whose]:
                raise OtherFileError(source, f"{twice[0]} is in {whose[twice[0]]} too")
            whose |= dict.fromkeys(cells, source)
            if all(own[axis].issuperset(wanted) for axis, wanted in required.items()):
                complete.update(cells)
            groups.append(group)
            lengths[group.kernel] |= here
            for name, values in own.items():
                labels.setdefault(name, set()).update(values)
            if file.variables.keys() - like.keys():
                whole = xr.load_dataset(source, engine="netcdf4", mask_and_scale=False)
                like |= {str(name): variable for name, variable in whole.variables.items()}
    if not groups:
        raise ValueError("nothing has been evaluated yet, so there is no cube to write")
    known = _known_baselines(baselines, study, errors)
    like |= baseline_variables({"rho": [], "state_size": []}, {}) if known else {}
    missing = [c for group in expected for c in map(group.cell, group.rho) if c not in complete]
    if missing and not partial:
        raise ValueError(f"no evaluation of {missing[0]}")

    def read(group: Group) -> dict[str, xr.Variable] | None:
        with _left_out(errors), opened(group.source) as file:
            own = {name: xr.Variable(v.dimensions, v[...]) for name, v in file.variables.items()}
            here = known.get(group.kernel)
            return {**own, **baseline_variables(own, here)} if here else own
        return None

    labels |= {
        "architecture": architectures,
        "width": {width for each in widths.values() for width in each},
        "kernel": kernels,
        **members,
    }
    runs = _diagnosed_runs(diagnosis, opened)

    def derived(part: xr.Dataset) -> xr.Dataset:
        return boundary_variables(part).assign(cause_variables(longest(part), runs).data_vars)

    kind = "partial benchmark" if missing else "benchmark"
    write_cube(
        path,
        groups,
        read,
        labels=labels,
        lengths=lengths,
        like=like,
        derived=derived,
        attributes=provenance(
            title=f"mfbench {kind} cube of study {study['name']}",
            settings=study,
            seeds={"data": study["task"]["seed"], "members": members["seed"]},
        ),
    )


def _diagnosed_runs(
    paths: Iterable[str | Path], opened: Callable[[str], AbstractContextManager[netCDF4.Dataset]]
) -> dict[tuple[str, int, str], xr.Dataset]:
    """The runs of the phase `diagnose`, by architecture, width and kernel."""
    runs = {}
    for source in map(str, paths):
        with opened(source) as file:
            names = str(file.architecture_name), int(file.width), str(file.kernel)
            runs[names] = xr.Dataset(
                {name: (file[name].dimensions, file[name][...]) for name in _OF_A_RUN}
            ).assign_coords({axis: file[axis][...] for axis in _AXES})
    return runs


def _known_baselines(
    paths: Iterable[str | Path], study: Mapping[str, Any], errors: tuple[type[Exception], ...]
) -> dict[str, dict[float, Baselines]]:
    """The baselines of each task, by kernel and rho."""
    known: dict[str, dict[float, Baselines]] = {}
    for path in map(str, paths):
        with _left_out(errors):
            kernel, rho, found = read_baselines(path, task=study["task"])
            known.setdefault(kernel, {})[rho] = found
    return known


@contextmanager
def _left_out(errors: tuple[type[Exception], ...]) -> Iterator[None]:
    """Leave out a file that raises one of these errors, with a warning."""
    try:
        yield
    except errors as error:
        log.warning("left out: %s", error)


@contextmanager
def _opened(path: str, *, study: Mapping[str, Any], partial: bool) -> Iterator[netCDF4.Dataset]:
    """Open an evaluation, after checking that it is intact and belongs to this study."""
    with netCDF4.Dataset(sealed(path)) as file:  # xarray takes five times as long
        file.set_auto_maskandscale(False)
        needed = ("status", *_OF_A_LEVEL, "settings", "architecture_name", "width", "kernel")
        check_variables(path, "evaluation", {*file.variables, *file.ncattrs()}, needed=needed)
        name, width, kernel = file.architecture_name, int(file.width), file.kernel
        found = json.loads(file.settings)
        check_identity(path, found, {})
        entry = study["architectures"].get(name, {"widths": []})
        if width not in entry["widths"] or kernel not in study["kernels"]:
            raise OtherFileError(path, f"the study has no {name} of width {width} on {kernel}")
        training = merged(study["training"], entry.get("training", {}))
        for axis in _AXES.values():  # their order does not matter
            own, wanted = sorted(found["training"][axis]), sorted(training[axis])
            found["training"][axis] = own
            training[axis] = own if partial and set(own) & set(wanted) else wanted
        expected = {
            "task": study["task"],
            "architecture": {k: v for k, v in entry.items() if k not in ("widths", "training")},
            "training": training,
            # The threshold of success matters only to the cube.
            "evaluation": {k: v for k, v in study["evaluation"].items() if k != "success"},
        }
        check_identity(path, found, expected)
        yield file
