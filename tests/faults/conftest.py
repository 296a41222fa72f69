"""A tiny study, finished or not yet begun, and disks that fill up or cannot be written."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import xarray as xr

import mfbench
from tests.workflow.conftest import Project, copied, run_once

RESULTS = Path("results/tiny")
CUBE = str(RESULTS / "cubes/benchmark.nc")


def tiny_study() -> dict[str, Any]:
    """Two levels of two architectures; the datasets are too large for Snakemake's checksums."""
    return {
        "name": "tiny",
        "task": {"length": 16, "sequences": {"train": 12000, "validation": 8, "test": 8}},
        "kernels": {"impulse": {"rho": [3, 5]}},
        "architectures": {
            "rnn": {"widths": [4]},
            "lru": {"widths": [4], "options": {"state": 4}},
        },
        "training": {
            "steps": 100,
            "batch_size": 8,
            "learning_rates": [0.01],
            "seeds": [0, 1],
            "validations": 4,
            "cells_per_job": 1,
            "ensemble_size": 1,  # no rounding of one member by the others
        },
        "evaluation": {"probes": 16},
    }


def numbers(cube: Path) -> xr.Dataset:
    """All of a cube but where and when it was made."""
    return mfbench.open(cube).drop_vars("seconds").drop_attrs(deep=False)


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny study with its cube; not to be changed."""
    return run_once(tmp_path_factory, "tiny", tiny_study(), CUBE)


@pytest.fixture
def project(tiny: Path, tmp_path: Path) -> Project:
    """A copy of the finished study that a test may change; times of files are kept."""
    return copied(tiny, tmp_path / "project")


Mount = Callable[[Path, int], None]


@pytest.fixture
def mount() -> Iterator[Mount]:
    """Mount a small disk in memory on a folder: mount(folder, bytes)."""
    mounted: list[Path] = []

    def make(folder: Path, size: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "mfbench-test", str(folder)]
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False)
        except FileNotFoundError:
            pytest.skip("there is no mount here")
        if done.returncode:
            pytest.skip(f"a disk in memory cannot be mounted here: {done.stderr.strip()}")
        mounted.append(folder)

    yield make
    for folder in mounted:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def remount(folder: Path, *options: str) -> None:
    """Change a mounted disk: its size, or whether it can be written."""
    subprocess.run(["mount", "-o", ",".join(["remount", *options]), str(folder)], check=True)


def fill(folder: Path, *, leave: int) -> None:
    """Fill a disk until only so many bytes are left."""
    free = shutil.disk_usage(folder).free
    with open(folder / "ballast", "wb") as file:
        os.posix_fallocate(file.fileno(), 0, max(1, free - leave))
