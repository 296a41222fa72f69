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
    before = signal.getsignal(signal.SIGTERM)
    files = [tmp_path / "a/rho=4.json", tmp_path / "a/rho=8.json"]
    with job_state(files, settings={"width": 4}, heartbeat=0.02):
        for file in files:
            found = read_state(file)
            assert found is not None
            assert (found["state"], found["pid"]) == ("running", os.getpid())
            assert (found["slurm_job_id"], found["settings"]) == ("77", {"width": 4})
        altered(files[0], age=FRESH + 10)
        deadline = time.monotonic() + 60
        while state(files[0]) != "running":  # until the next heartbeat
            assert time.monotonic() < deadline
            time.sleep(0.01)
    assert "heartbeat" not in {thread.name for thread in threading.enumerate()}
    assert signal.getsignal(signal.SIGTERM) is before
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
    file = tmp_path / "rho=4.json"
    with pytest.raises(type(error)), job_state([file], settings={}):
        raise error
    altered(file, age=1e6)
    found = read_state(file)
    assert found is not None
    assert (found["state"], found["message"]) == (ends, f"{type(error).__name__}: {error}")
    with job_state([file], settings={}):
        assert state(file) == "running"
    assert list(tmp_path.iterdir()) == []


def test_a_job_that_is_ended_is_interrupted(tmp_path: Path) -> None:
    mine, theirs = tmp_path / "rho=4.json", tmp_path / "rho=8.json"
    with job_state([mine, theirs], settings={}):
        job = start(theirs)  # a cell that another job has taken over is left to it
    assert not mine.exists()
    assert state(theirs) == "running"
    assert finish(job, signal.SIGTERM) == 128 + signal.SIGTERM
    assert state(theirs) == "interrupted"


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
    waiting.join(0.3)
    assert waiting.is_alive()
    assert f"'pid': {job.pid}" in caplog.text
    assert finish(job, signal.SIGKILL) == -signal.SIGKILL
    waiting.join(10)
    assert not waiting.is_alive()
    assert state(taken) == "interrupted"
    # Of a job on another machine only the heartbeat is known.
    altered(taken, machine="another", age=FRESH - 10)
    assert state(taken) == "running"
    altered(taken, age=FRESH + 10)
    assert state(taken) == "interrupted"


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


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"state": "asleep"}', '{"state": "running"}'])
def test_a_broken_file_is_unreadable(tmp_path: Path, content: str) -> None:
    (tmp_path / "rho=4.json").write_text(content)
    assert state(tmp_path / "rho=4.json") == "unreadable"
