"""A job's files tell its state, and count only while the job can still be running."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from mfbench.workflow import job_state as module
from mfbench.workflow.job_state import FRESH, job_state, read_state, wait_for_another
from tests.conftest import REPOSITORY

# A job in a process of its own that says when it is inside.
JOB = """
import sys, time
from mfbench.workflow.job_state import job_state
with job_state(sys.argv[1:], settings={}):
    print("inside", flush=True)
    time.sleep(60)
"""


def start(*files: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", JOB, *map(str, files)]
    job = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=REPOSITORY)
    assert job.stdout is not None
    assert job.stdout.readline() == "inside\n"
    return job


def finish(job: subprocess.Popen[str], number: signal.Signals) -> int:
    job.send_signal(number)
    job.communicate(timeout=120)
    return job.returncode


def state(file: Path) -> str:
    found = read_state(file)
    return found["state"] if found else ""


def altered(file: Path, *, age: float = 0, **changes: Any) -> None:
    """Change what the file says, and the time of its last heartbeat."""
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))
    os.utime(file, (time.time() - age,) * 2)


def test_a_job_shows_that_it_runs_and_leaves_nothing_when_it_ends_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLURM_JOB_ID", "77")
    files = [tmp_path / "a/rho=4.json", tmp_path / "a/rho=8.json"]
    with job_state(files, settings={"width": 4}):
        for file in files:
            found = read_state(file)
            assert found is not None
            assert (found["state"], found["pid"]) == ("running", os.getpid())
            assert (found["slurm_job_id"], found["settings"]) == ("77", {"width": 4})
    assert list((tmp_path / "a").iterdir()) == []
    assert read_state(files[0]) is None


@pytest.mark.parametrize(
    ("error", "ends"),
    [
        (ValueError("NaN in layer 1"), "failed"),
        (KeyboardInterrupt(), "interrupted"),
        (SystemExit(1), "interrupted"),
    ],
)
def test_a_job_that_does_not_end_well_says_why_until_it_runs_again(
    tmp_path: Path, error: BaseException, ends: str
) -> None:
    files = [tmp_path / "rho=4.json", tmp_path / "rho=8.json"]
    with pytest.raises(type(error)), job_state(files, settings={}):
        raise error
    for file in files:
        altered(file, age=1e6)
        found = read_state(file)
        assert found is not None
        assert (found["state"], found["message"]) == (ends, f"{type(error).__name__}: {error}")
    with job_state(files, settings={}):
        assert [state(file) for file in files] == ["running", "running"]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGTERM, 128 + signal.SIGTERM), (signal.SIGKILL, -signal.SIGKILL)]
)
def test_a_job_that_is_ended_is_interrupted(
    tmp_path: Path, number: signal.Signals, code: int
) -> None:
    file = tmp_path / "rho=4.json"
    job = start(file)
    assert state(file) == "running"
    assert finish(job, number) == code
    assert state(file) == "interrupted"


def test_only_the_heartbeat_of_another_machine_counts(tmp_path: Path) -> None:
    file = tmp_path / "rho=4.json"
    job = start(file)
    finish(job, signal.SIGKILL)
    altered(file, machine="another", age=FRESH - 10)
    assert state(file) == "running"
    altered(file, age=FRESH + 10)
    assert state(file) == "interrupted"


def test_the_heart_beats_while_the_job_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "HEARTBEAT", 0.02)
    file = tmp_path / "rho=4.json"
    with job_state([file], settings={}):
        altered(file, age=FRESH + 10)
        assert state(file) == "interrupted"
        deadline = time.monotonic() + 60
        while state(file) != "running":
            assert time.monotonic() < deadline
            time.sleep(0.01)
    assert "heartbeat" not in {thread.name for thread in threading.enumerate()}


def test_a_cell_that_another_job_has_taken_over_is_left_to_it(tmp_path: Path) -> None:
    mine, theirs = tmp_path / "rho=4.json", tmp_path / "rho=8.json"
    with job_state([mine, theirs], settings={}):
        job = start(theirs)
    assert not mine.exists()
    assert state(theirs) == "running"
    assert finish(job, signal.SIGTERM) > 0


def test_problems_with_the_file_end_a_job_at_its_start_only(tmp_path: Path) -> None:
    folder = tmp_path / "jobs"
    with job_state([folder / "rho=4.json"], settings={}):
        shutil.rmtree(folder)
        folder.touch()
    with (
        pytest.raises(OSError, match="jobs"),
        job_state([folder / "rho=4.json"], settings={}),
    ):
        raise AssertionError("started without its state")


def test_the_handler_of_signals_is_put_back(tmp_path: Path) -> None:
    before = signal.getsignal(signal.SIGTERM)
    with job_state([tmp_path / "rho=4.json"], settings={}):
        assert signal.getsignal(signal.SIGTERM) is not before
    assert signal.getsignal(signal.SIGTERM) is before


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"state": "asleep"}', '{"state": "running"}'])
def test_a_broken_file_is_unreadable(tmp_path: Path, content: str) -> None:
    file = tmp_path / "rho=4.json"
    file.write_text(content)
    assert state(file) == "unreadable"


def test_a_job_waits_while_another_trains_one_of_its_cells(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    free, taken = tmp_path / "rho=4.json", tmp_path / "rho=8.json"
    with pytest.raises(ValueError, match="failed"), job_state([free, taken], settings={}):
        raise ValueError("failed")
    wait_for_another([free, taken])  # nobody is at work
    assert not caplog.records
    job = start(taken)
    waiting = threading.Thread(
        target=wait_for_another, args=([free, taken],), kwargs={"poll": 0.05}
    )
    waiting.start()
    waiting.join(0.5)
    assert waiting.is_alive()
    assert f"'pid': {job.pid}" in caplog.text
    finish(job, signal.SIGKILL)
    waiting.join(10)
    assert not waiting.is_alive()
