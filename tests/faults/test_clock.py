"""Files whose time of change is wrong: no endless reruns, no work thrown away."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from mfbench.workflow.clock import set_back_future_times
from tests.faults.conftest import CUBE, RESULTS, said
from tests.workflow.conftest import Project

pytestmark = pytest.mark.faults

DATASET = RESULTS / "datasets/impulse/rho=3.nc"
HOUR = 3600.0


def shift(path: Path, seconds: float) -> None:
    then = time.time() + seconds
    os.utime(path, (then, then))


def test_a_dataset_from_the_future_costs_one_rerun_and_no_more(project: Project) -> None:
    """A large one, which Snakemake compares by time alone."""
    dataset = project.folder / DATASET
    assert dataset.stat().st_size > 1_000_000
    shift(dataset, HOUR)
    assert project.planned(CUBE) == {
        "train": 2,
        "evaluate": 2,
        "architecture_cube": 2,
        "benchmark_cube": 1,
    }
    done = project.snakemake(CUBE)
    assert done.returncode == 0, said(done)
    log = project.folder / RESULTS / "logs/training/rnn/width=4/impulse/rho=3.log"
    assert "found finished" in log.read_text()  # from the checkpoints, no training is lost
    logs = (project.folder / RESULTS / "logs/training").rglob("rho=3.log")
    assert any("in the future, set back" in log.read_text() for log in logs)
    assert dataset.stat().st_mtime <= time.time()
    assert project.planned(CUBE) == {}


def test_a_small_file_from_the_future_is_known_by_its_checksum(project: Project) -> None:
    floors = project.folder / RESULTS / "floors/impulse/rho=3.nc"
    assert floors.stat().st_size < 1_000_000
    shift(floors, HOUR)
    assert project.planned(CUBE) == {}


def test_a_dataset_older_than_it_should_be_changes_nothing(project: Project) -> None:
    shift(project.folder / DATASET, -1000 * HOUR)
    assert project.planned(CUBE) == {}


def test_only_what_lies_in_the_future_is_set_back(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    early, late = tmp_path / "early.nc", tmp_path / "late.nc"
    for path, seconds in ((early, -HOUR), (late, HOUR)):
        path.touch()
        shift(path, seconds)
    before = early.stat().st_mtime_ns
    set_back_future_times([early, late])
    assert early.stat().st_mtime_ns == before
    assert abs(late.stat().st_mtime - time.time()) < HOUR / 60
    assert f"{late}: changed 3600 s in the future" in caplog.text
    assert str(early) not in caplog.text


def test_a_time_that_cannot_be_set_back_is_an_error_before_the_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "late.nc"
    path.touch()
    shift(path, HOUR)

    def refuse(path: Path) -> None:
        raise PermissionError(1, "Operation not permitted", str(path))

    monkeypatch.setattr(os, "utime", refuse)
    with pytest.raises(OSError, match=r"3600 s in the future .* cannot be set back .*late\.nc"):
        set_back_future_times([path])
