"""Assembling a cube: memory follows one architecture, and time the number of files."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np
import pytest

from mfbench.cube.assemble import assemble_cube
from mfbench.files.integrity import seal
from tests.conftest import REPOSITORY
from tests.cube.evaluations import RATES, SEEDS, STUDY, edit, make_group

pytestmark = pytest.mark.scale

LAGS, WIDTHS, LEVELS = 2000, [4, 8, 16, 32], 8
SLAB = len(WIDTHS) * LEVELS * len(RATES) * len(SEEDS) * LAGS * (8 + 2 * 4) / 1e6  # MB, the large
FEW, MANY = 2, 8

# The memory that a process once had is not that of the work: read before and after.
CODE = """
import json, resource, sys
from mfbench.cube.assemble import assemble_cube
from mfbench.files import git_commit
git_commit()
path, *studies = json.load(open(sys.argv[1]))
for sources, study in studies:
    assemble_cube(path, sources, architectures=list(study["architectures"]), kernels=["impulse"],
                  study=study)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""


def copies(group: Path, names: list[str]) -> list[str]:
    """One evaluation under the names of many architectures."""
    made = []
    for name in names:
        made.append(group.with_name(f"{name}-{group.name}"))
        made[-1].write_bytes(group.read_bytes())
        with netCDF4.Dataset(made[-1], "r+") as file:
            file.architecture_name = name
        seal(made[-1], ".nc")
    return list(map(str, made))


def study_of(
    names: list[str], widths: list[int], levels: int, kernels: tuple[str, ...] = ("impulse",)
) -> dict[str, Any]:
    tasks = [{"rho": i + 0.5, "memory_length": 2**i} for i in range(levels)]
    architectures = {name: {"widths": widths} for name in names}
    return {**STUDY, "architectures": architectures, "kernels": dict.fromkeys(kernels, tasks)}


def growth(sources: list[list[str]], names: list[str], folder: Path) -> float:
    """How much more memory a study needs than its first architecture, in MB."""
    studies = [
        [[file for files in sources[:n] for file in files], study_of(names[:n], WIDTHS, LEVELS)]
        for n in (1, len(names))
    ]
    (folder / "given.json").write_text(json.dumps([str(folder / "cube.nc"), *studies]))
    done = subprocess.run(
        [sys.executable, "-c", CODE, str(folder / "given.json")],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=True,
    )
    one, all_of_them = map(float, done.stdout.split())
    return all_of_them - one


def test_four_times_the_architectures_need_no_more_memory(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    names, groups = [f"a{i}" for i in range(MANY)], []
    for width in WIDTHS:
        group = make_group(tmp_path, "a", width, "impulse", LEVELS)
        size = (LEVELS, 1, len(RATES), len(SEEDS), 2, LAGS)  # its numbers outweigh the rest
        large = {
            "learned_memory_function": rng.random((*size[:4], LAGS)),
            "memory_over_training": rng.random(size).astype("f4"),
        }
        edit(
            group,
            lambda g, large=large: g.reindex(lag=range(LAGS), fill_value=0.0).assign(
                {name: (g[name].dims, values) for name, values in large.items()}
            ),
        )
        groups.append(copies(group, names))
    sources = [list(files) for files in zip(*groups, strict=True)]
    few = growth(sources[:FEW], names[:FEW], tmp_path)
    many = growth(sources, names, tmp_path)
    whole = (MANY - FEW) * SLAB
    assert whole > 30  # else the bound below says nothing
    assert many - few < whole / 4
    with netCDF4.Dataset(tmp_path / "cube.nc") as file:
        assert (file["status"][...] == 1).all()
        assert len(file.dimensions["architecture"]) == MANY


def test_many_files_take_little_longer_than_to_read_them(tmp_path: Path) -> None:
    """In processor time, with which a busy machine deals alike; a thousand take below 30 s."""
    kernels = ("impulse", "airy")
    names, widths = [f"a{i}" for i in range(25)], [4, 8, 16, 32]
    groups = [make_group(tmp_path, "a", w, k, levels=2) for w in widths for k in kernels]
    sources = [file for group in groups for file in copies(group, names)]
    assert len(sources) == 200
    started = time.process_time()
    for source in sources:
        with netCDF4.Dataset(source) as file:
            _ = [variable[...] for variable in file.variables.values()]
    read = time.process_time() - started
    assemble_cube(
        tmp_path / "cube.nc",
        sources,
        architectures=names,
        kernels=kernels,
        study=study_of(names, widths, 2, kernels),
    )
    assert time.process_time() - started - read < 4 * read
    with netCDF4.Dataset(tmp_path / "cube.nc") as file:
        assert (file["status"][...] == 1).all()
