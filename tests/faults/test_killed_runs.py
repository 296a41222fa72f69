"""SIGKILL at random moments: nothing is lost or half written, and the numbers are the same."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
import xarray as xr

from mfbench.files import read_json, sealed
from tests.faults.conftest import CUBE, RESULTS, numbers, tiny_study
from tests.workflow.conftest import begin, said

pytestmark = pytest.mark.faults

KILLS, SEED = 4, 20250605


def check_files(results: Path) -> int:
    """Every file under its final name is whole; their number."""
    readers: dict[str, Callable[[Path], object]] = {
        ".nc": sealed,
        ".safetensors": sealed,
        ".json": read_json,
    }
    files = [f for f in results.rglob("*") if f.suffix in readers and "logs" not in f.parts]
    for file in files:
        with suppress(FileNotFoundError):  # an orphan's run may have replaced it since
            if "jobs" in file.parts:  # states of jobs, which carry no seal
                json.loads(file.read_text())
            else:
                readers[file.suffix](file)
    return len(files)


def wait_for_jobs(running: subprocess.Popen[bytes], results: Path, count: int) -> None:
    """Wait until a run is at the work of so many jobs or has ended: work begins with a new log."""
    began = time.time_ns()
    started: set[Path] = set()
    while running.poll() is None and len(started) < count:
        time.sleep(0.05)
        with suppress(FileNotFoundError):
            started |= {f for f in results.rglob("*.log") if f.stat().st_mtime_ns > began}


def test_a_study_killed_again_and_again_ends_with_the_same_cube(tiny: Path, tmp_path: Path) -> None:
    """Sometimes Snakemake alone, whose jobs go on beside those of the next run, sometimes all."""
    study = tiny_study()
    study["training"]["checkpoints"] = {"minutes": 0}  # one at each step
    project = begin(tmp_path, study)
    results = project.folder / RESULTS
    chance = random.Random(SEED)
    print(f"random seed {SEED}")  # noqa: T201
    groups: list[int] = []
    kills = midway = 0
    try:
        while kills < KILLS:
            running = project.start(CUBE)
            groups.append(running.pid)
            try:
                wait_for_jobs(running, results, chance.randrange(4))  # 0: it looks at the files
                running.wait(timeout=chance.uniform(0, 2))
            except subprocess.TimeoutExpired:
                alone = chance.random() < 0.4
                (os.kill if alone else os.killpg)(running.pid, signal.SIGKILL)
                running.wait()
                kills += 1
            else:  # begin again
                assert running.returncode == 0, project.said()
                for folder in ("training", "checkpoints"):
                    shutil.rmtree(results / folder)
            # Snakemake's own marks of the jobs that were at work.
            midway += any((project.folder / ".snakemake/incomplete").rglob("*"))
            print(f"kill {kills}: {check_files(results)} whole files")  # noqa: T201
            unlocked = project.snakemake("--unlock")
            assert unlocked.returncode == 0, said(unlocked)
        project.run(CUBE)
    finally:
        for group in groups:
            with suppress(ProcessLookupError):
                os.killpg(group, signal.SIGKILL)
    assert midway, "the kills hit no job at its work"
    check_files(results)
    assert not list(results.rglob("*.tmp"))
    xr.testing.assert_identical(numbers(project.folder / CUBE), numbers(tiny / CUBE))
