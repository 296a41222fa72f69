"""A job's state is told by its file, and believed only while the job can be there."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from mfbench.workflow import job_state as module
from mfbench.workflow.job_state import FRESH, job_state, read_states, wait_for_another
from tests.conftest import REPOSITORY

# A job in a process of its own that says when it is inside.
JOB = """
import sys, time
from mfbench.workflow.job_state import job_state
with job_state(sys.argv[1]):
    print("inside", flush=True)
    time.sleep(60)
"""


def states(folder: Path, **options: Any) -> dict[str, str]:
    return {s.path.name: s.state for s in read_states(folder, **options)}


def start(path: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", JOB, str(path)]
    job = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=REPOSITORY)
    assert job.stdout is not None
    assert job.stdout.readline() == "inside\n"
    return job


def finish(job: subprocess.Popen[str], number: signal.Signals) -> int:
    job.send_signal(number)
    job.communicate(timeout=20)
    return job.returncode


def altered(path: Path, **changes: Any) -> None:
    """Another state in the file, with the time of the old one."""
    time_ns = path.stat().st_mtime_ns
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    os.utime(path, ns=(time_ns, time_ns))


def test_a_job_says_that_it_runs_and_leaves_nothing_when_it_ends_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLURM_JOB_ID", "77")
    with job_state(tmp_path / "a" / "rho=4,8.json", settings={"width": 4}):
        (state,) = read_states(tmp_path)
        assert state.path == tmp_path / "a" / "rho=4,8.json"
        assert state.state == "running"
        assert state.about["pid"] == os.getpid()
        assert state.about["slurm_job_id"] == "77"
        assert state.about["settings"] == {"width": 4}
    assert read_states(tmp_path) == []
    assert list((tmp_path / "a").iterdir()) == []


def test_an_error_stays_with_its_message_until_the_job_runs_again(tmp_path: Path) -> None:
    path = tmp_path / "rho=4.json"
    with pytest.raises(ValueError, match="NaN in layer 1"), job_state(path):
        raise ValueError("NaN in layer 1")
    (state,) = read_states(tmp_path)
    assert (state.state, state.message) == ("failed", "ValueError: NaN in layer 1")
    # However old it is, a failure is a failure.
    assert states(tmp_path, now=time.time() + 1e6) == {"rho=4.json": "failed"}
    with job_state(path):
        assert states(tmp_path) == {"rho=4.json": "running"}
    assert read_states(tmp_path) == []


@pytest.mark.parametrize("reason", [KeyboardInterrupt, SystemExit])
def test_an_interruption_is_no_failure(tmp_path: Path, reason: type[BaseException]) -> None:
    with pytest.raises(reason), job_state(tmp_path / "rho=4.json"):
        raise reason
    assert states(tmp_path) == {"rho=4.json": "interrupted"}


def test_a_job_that_is_told_to_end_cleans_up_and_is_interrupted(tmp_path: Path) -> None:
    job = start(tmp_path / "rho=4.json")
    assert states(tmp_path) == {"rho=4.json": "running"}
    assert finish(job, signal.SIGTERM) == 128 + signal.SIGTERM
    assert states(tmp_path) == {"rho=4.json": "interrupted"}


def test_a_job_that_was_killed_is_not_believed_any_more(tmp_path: Path) -> None:
    job = start(tmp_path / "rho=4.json")
    assert states(tmp_path) == {"rho=4.json": "running"}
    job.kill()
    # Dead but not yet waited for, the process is still in the kernel's table.
    os.waitid(os.P_PID, job.pid, os.WEXITED | os.WNOWAIT)
    assert states(tmp_path) == {"rho=4.json": "interrupted"}
    job.communicate()
    assert states(tmp_path) == {"rho=4.json": "interrupted"}
    assert json.loads((tmp_path / "rho=4.json").read_text())["state"] == "running"  # as it was


def test_a_number_that_was_given_to_another_process_is_not_the_job(tmp_path: Path) -> None:
    path = tmp_path / "rho=4.json"
    with job_state(path):
        altered(path, process_started=json.loads(path.read_text())["process_started"] + 1)
        assert states(tmp_path) == {"rho=4.json": "interrupted"}


@pytest.mark.parametrize("elsewhere", [{"host": "another"}, {"machine": "another boot"}])
def test_only_the_heartbeat_of_another_machine_counts(
    tmp_path: Path, elsewhere: dict[str, str]
) -> None:
    path = tmp_path / "rho=4.json"
    with job_state(path):
        altered(path, pid=0, process_started=1, **elsewhere)
        beat = path.stat().st_mtime
        assert states(tmp_path, now=beat - 3600) == {"rho=4.json": "running"}  # a clock behind
        assert states(tmp_path, now=beat + FRESH - 1) == {"rho=4.json": "running"}
        assert states(tmp_path, now=beat + FRESH + 1) == {"rho=4.json": "interrupted"}


def wait_for(condition: Any) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_the_heart_beats_while_the_job_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "HEARTBEAT", 0.02)
    path = tmp_path / "rho=4.json"
    with job_state(path):
        os.utime(path, (0, 0))
        wait_for(lambda: path.stat().st_mtime > 0)
        path.unlink()  # somebody cleans up
        wait_for(path.exists)
    assert not path.exists()
    assert "heartbeat" not in {thread.name for thread in threading.enumerate()}


def test_a_file_that_another_job_has_taken_over_is_left_to_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "HEARTBEAT", 0.02)
    path = tmp_path / "rho=4.json"
    with job_state(path):

        def overtaken() -> None:
            with job_state(path):
                altered(path, token="another job's")
                os.utime(path, (0, 0))
                time.sleep(0.2)
                raise OSError("first")

        with pytest.raises(OSError, match="first"):
            overtaken()
        assert json.loads(path.read_text())["state"] == "running"
        assert path.stat().st_mtime == 0
    assert path.exists()


def test_a_state_that_cannot_be_written_later_does_not_hide_what_went_wrong(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError("No space left on device")

    def failing() -> None:
        with job_state(tmp_path / "rho=4.json"):
            monkeypatch.setattr(module, "write_text", full)
            raise ValueError("the reason")

    with pytest.raises(ValueError, match="the reason"):
        failing()
    assert "No space left on device" in caplog.text
    with pytest.raises(OSError, match="No space"), job_state(tmp_path / "rho=8.json"):
        raise AssertionError("a job must not start without its state")


def test_the_handler_of_signals_is_put_back(tmp_path: Path) -> None:
    def mine(*_: object) -> None: ...

    before = signal.getsignal(signal.SIGTERM)
    with job_state(tmp_path / "rho=4.json"):
        assert signal.getsignal(signal.SIGTERM) is not before
    assert signal.getsignal(signal.SIGTERM) is before
    try:
        signal.signal(signal.SIGTERM, mine)
        with job_state(tmp_path / "rho=4.json"):
            assert signal.getsignal(signal.SIGTERM) is mine
        assert signal.getsignal(signal.SIGTERM) is mine
    finally:
        signal.signal(signal.SIGTERM, before)


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"state": "asleep"}', '{"state": "running"}'])
def test_a_broken_state_is_named(tmp_path: Path, content: str) -> None:
    (tmp_path / "rho=4.json").write_text(content)
    (tmp_path / ".rho=8.json.1.tmp").write_text(content)  # one that is being written
    (state,) = read_states(tmp_path)
    assert (state.path.name, state.state) == ("rho=4.json", "unreadable")
    assert "no state of a job" in state.message


def test_a_folder_that_is_not_there_has_no_states(tmp_path: Path) -> None:
    assert read_states(tmp_path / "none") == []
    assert list(tmp_path.iterdir()) == []


def test_a_job_waits_for_another_that_is_at_work_on_the_same(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "job.json"
    wait_for_another(path)  # there is none
    with pytest.raises(ValueError, match="failed"), job_state(path):
        raise ValueError("failed")
    wait_for_another(path)  # nor is one that has failed
    assert not caplog.records
    job = start(path)
    waiting = threading.Thread(target=wait_for_another, args=(path,), kwargs={"poll": 0.05})
    waiting.start()
    waiting.join(0.5)
    assert waiting.is_alive()
    assert f"'pid': {job.pid}" in caplog.text
    finish(job, signal.SIGKILL)  # its file is still there
    waiting.join(10)
    assert not waiting.is_alive()
    assert path.exists()


def test_a_job_without_a_heartbeat_is_not_waited_for_however_late_its_clock_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "job.json"
    with job_state(path):
        altered(path, host="another")
        content = path.read_text()
    path.write_text(content)
    ahead = time.time() + 3600
    os.utime(path, (ahead, ahead))
    assert states(tmp_path) == {"job.json": "running"}
    monkeypatch.setattr(module, "FRESH", 0.3)
    began = time.monotonic()
    wait_for_another(path, poll=0.05)
    assert time.monotonic() - began >= 0.3
