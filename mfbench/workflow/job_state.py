"""What a running job says about itself in a file, so that files alone tell how a study stands.

A job that runs keeps a small JSON file and touches it every half minute; one that raises leaves
its message there, and one that ends well removes it. A job that was killed cannot say so: its file
stays as it was and is not believed once its heartbeat is old, or once its process is gone where
that can be looked up.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from mfbench.files import this_machine, write_text

HEARTBEAT = 30.0  # seconds between two touches
# Four beats may be missed: file systems of clusters show times up to a minute late, and the clocks
# of the file server and of the reader differ.
FRESH = 150.0
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class JobState:
    """The state of one job, as it is believed.

    Attributes
    ----------
    path : Path
        The file of the state.
    state : {"running", "failed", "interrupted", "unreadable"}
        A job that is said to run and is not believed is interrupted.
    about : dict
        All that the file says: ``host``, ``pid``, ``slurm_job_id``, ``started`` and what the job
        added itself.
    message : str
        Type and message of the error of a failed job, or why the file is unreadable.
    """

    path: Path
    state: Literal["running", "failed", "interrupted", "unreadable"]
    about: Mapping[str, Any]
    message: str = ""


@contextmanager
def job_state(path: str | Path, **about: Any) -> Iterator[None]:
    """Keep the state of this job in a file while the block runs.

    The file is removed when the block ends well. An exception turns it to ``failed`` and is raised
    on; a keyboard interrupt, an exit or SIGTERM, which raises SystemExit here unless the process
    handles it already, turn it to ``interrupted``. Where another job has taken the file over
    meanwhile, it is left to that one.

    Parameters
    ----------
    path : path
        The file.
    **about
        What else to keep in it, in JSON's types.

    Raises
    ------
    OSError
        The file cannot be written at the start. Later troubles with it are logged, and the job goes
        on: its results matter more.
    """
    keeper = _Keeper(Path(path), about)
    keeper.write("running")
    stop = threading.Event()
    beat = threading.Thread(target=keeper.beat, args=(stop,), name="heartbeat", daemon=True)
    handled = (
        threading.current_thread() is threading.main_thread()
        and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    )
    end: dict[str, str] = {}
    try:
        if handled:
            signal.signal(signal.SIGTERM, _terminated)
        beat.start()
        yield
    except Exception as error:
        end = {"state": "failed", "error": type(error).__name__, "message": str(error)}
        raise
    except BaseException as reason:
        end = {"state": "interrupted", "message": f"{type(reason).__name__}: {reason}"}
        raise
    finally:
        if handled:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
        stop.set()
        beat.join()
        keeper.end(**end)


def wait_for_another(path: str | Path, *, poll: float = 2.0) -> None:
    """Wait while another job is at work on the same thing, as its state says.

    A job may outlive the Snakemake that started it, and the next one starts it again: what is then
    finished is found so, and nothing is computed twice.

    Parameters
    ----------
    path : path
        The file of the state.
    poll : float
        Seconds between two looks.
    """
    path, beat, since = Path(path), -1.0, time.monotonic()
    while (state := read_state(path, now=time.time())) is not None and state.state == "running":
        with suppress(FileNotFoundError):
            last = path.stat().st_mtime
            if last != beat:
                if beat < 0:
                    who = {k: state.about.get(k) for k in ("host", "pid", "slurm_job_id")}
                    log.warning("another job is at work on this, waiting for its end: %s", who)
                beat, since = last, time.monotonic()
        # By this process's own clock: that of the other may be far ahead.
        if time.monotonic() - since > FRESH:
            return
        time.sleep(poll)


def read_states(folder: str | Path, *, now: float | None = None) -> list[JobState]:
    """All states in a folder and the folders within, sorted by path.

    Nothing is changed, and files may come and go meanwhile.

    Parameters
    ----------
    folder : path
        The folder; one that is not there has no states.
    now : float, optional
        The time against which heartbeats are held, seconds since 1970; this machine's by default.
    """
    now = time.time() if now is None else now
    found = []
    for where, _, files in os.walk(folder):
        for name in files:
            if name.endswith(".json") and not name.startswith("."):
                state = read_state(Path(where, name), now=now)
                found += [state] if state is not None else []
    return sorted(found, key=lambda state: state.path)


def read_state(path: Path, *, now: float) -> JobState | None:
    """One state, None where its file has gone."""
    try:
        with open(path, encoding="utf-8") as file:
            # NFS looks up the time afresh for an open file only.
            beat = os.fstat(file.fileno()).st_mtime
            about = json.load(file)
        state = about["state"]
        if state == "running":
            state = "running" if now - beat < FRESH and _may_run(about) else "interrupted"
        if state not in ("running", "failed", "interrupted"):
            raise ValueError(f"state = {state!r} is none of running, failed, interrupted")
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError, TypeError, KeyError) as error:
        return JobState(path, "unreadable", {}, f"no state of a job: {error}")
    message = ": ".join(str(about[k]) for k in ("error", "message") if about.get(k))
    return JobState(path, state, about, message)


class _Keeper:
    """Writes the file of one job, from the job's thread and from that of the heartbeat."""

    def __init__(self, path: Path, about: Mapping[str, Any]) -> None:
        self._path = path
        self._about = {
            "host": socket.gethostname(),
            "machine": this_machine(),
            "pid": os.getpid(),
            "process_started": _process_started(os.getpid()),
            "slurm_job_id": os.environ.get("SLURM_JOB_ID"),
            "started": _now(),
            **about,
        }
        # A text that only this job can have written.
        self._token = f"{socket.gethostname()} {os.getpid()} {time.time_ns()}"

    def write(self, state: str, **more: str) -> None:
        content = {"state": state, **self._about, **more, "token": self._token}
        write_text(self._path, json.dumps(content, indent=1) + "\n")

    def beat(self, stop: threading.Event) -> None:
        while not stop.wait(HEARTBEAT):
            try:
                owner = self._owner()
                if owner == self._token:
                    os.utime(self._path)
                elif owner is None:  # cleaned up, or removed by another job that had taken it over
                    self.write("running")
            except OSError as error:
                log.warning("heartbeat to %s: %s", self._path, error)

    def end(self, state: str = "", **more: str) -> None:
        try:
            if self._owner() not in (self._token, None):
                return
            if state:
                self.write(state, ended=_now(), **more)
            else:
                self._path.unlink(missing_ok=True)
        except OSError as error:
            log.warning("state of this job in %s: %s", self._path, error)

    def _owner(self) -> str | None:
        """The token in the file, None where there is no file, '' where it is another's."""
        try:
            content = json.loads(self._path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        except ValueError:
            return ""
        return str(content.get("token", "")) if isinstance(content, dict) else ""


def _terminated(number: int, _: object) -> None:
    # An exit and not a death, so that temporary files are removed on the way.
    raise SystemExit(128 + number)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def _may_run(about: Mapping[str, Any]) -> bool:
    """Whether a job's process is there, True where that cannot be looked up from here."""
    here = (socket.gethostname(), this_machine())
    if (about["host"], about["machine"]) != here or not sys.platform.startswith("linux"):
        return True
    return bool(_process_started(about["pid"]) == about["process_started"])


def _process_started(pid: int) -> int | None:
    """When a process started, in the kernel's ticks since boot; None where there is none.

    With its number this names a process: numbers are given out again. proc(5): field 3 is the
    state, Z and X for dead ones, field 22 the start; the name in field 2 may hold anything.
    """
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    after = fields.rpartition(")")[2].split()
    return None if after[0] in "ZX" else int(after[19])
