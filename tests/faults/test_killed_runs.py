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
import yaml

from mfbench.files import read_json, sealed
from tests.conftest import REPOSITORY
from tests.faults.conftest import begin, numbers, said

pytestmark = pytest.mark.faults

KILLS, SEED = 20, 20250605
SECONDS = 4.0  # at most, after a run has started its first job
RESULTS = Path("results/smoke")
CUBE = RESULTS / "cubes/benchmark.nc"


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


def wait_for_a_job(running: subprocess.Popen[bytes], results: Path) -> None:
    """Wait until a run has started a job or ended: a job begins with an empty log."""
    began = time.time_ns()
    while running.poll() is None:
        logs = results.rglob("*.log")
        with suppress(FileNotFoundError):
            if any(log.stat().st_mtime_ns > began for log in logs):
                return
        time.sleep(0.05)


def test_a_study_killed_again_and_again_ends_with_the_same_cube(tmp_path: Path) -> None:
    """Sometimes Snakemake alone, whose jobs go on beside those of the next run, sometimes all."""
    study = yaml.safe_load((REPOSITORY / "config/smoke.yaml").read_text())
    # Trainings that take about as long as the start of a job.
    study["training"].update(steps=120, checkpoints={"minutes": 0.001})
    undisturbed = begin(tmp_path / "undisturbed", study)
    project = begin(tmp_path / "killed", study)
    done = undisturbed.snakemake(str(CUBE))
    assert done.returncode == 0, said(done)

    chance = random.Random(SEED)
    print(f"random seed {SEED}")  # noqa: T201
    groups: list[int] = []
    kills = midway = 0
    try:
        while kills < KILLS:
            running = project.start(str(CUBE))
            groups.append(running.pid)
            try:
                if chance.random() < 0.85:  # else while it still looks at the files
                    wait_for_a_job(running, project.folder / RESULTS)
                running.wait(timeout=chance.uniform(0, SECONDS))
            except subprocess.TimeoutExpired:
                alone = chance.random() < 0.4
                (os.kill if alone else os.killpg)(running.pid, signal.SIGKILL)
                running.wait()
                kills += 1
            else:  # it was finished, or stopped at the lock: begin the training again
                assert running.returncode == 0
                shutil.rmtree(project.folder / RESULTS / "training")
            results = project.folder / RESULTS
            # Snakemake's own marks of the jobs that were at work.
            midway += any((project.folder / ".snakemake/incomplete").rglob("*"))
            print(f"kill {kills}: {check_files(results)} whole files")  # noqa: T201
            unlocked = project.snakemake("--unlock")
            assert unlocked.returncode == 0, said(unlocked)
        done = project.snakemake(str(CUBE))
        assert done.returncode == 0, said(done)
    finally:
        for group in groups:
            with suppress(ProcessLookupError):
                os.killpg(group, signal.SIGKILL)
    assert midway > KILLS // 4, "the kills hit hardly any job at its work"
    check_files(project.folder / RESULTS)
    assert not list((project.folder / RESULTS).rglob("*.tmp"))
    xr.testing.assert_identical(numbers(project.folder / CUBE), numbers(undisturbed.folder / CUBE))
