"""What a running job says about itself in files, one for each cell that it trains.

These files show which cells are running, failed or interrupted, and keep two jobs from training the
same cell. A killed job cannot update its files, so they count only while their heartbeat is fresh.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import Any

from mfbench.files import this_machine, write_text
from mfbench.files.machine import alive

FRESH = 150.0  # seconds: file servers can show times a minute late, and clocks differ
log = logging.getLogger(__name__)


class Terminated(SystemExit):
    """The job was told to end; a model that calls exit() raises a plain SystemExit."""


def _terminate(number: int, _: FrameType | None) -> None:
    raise Terminated(128 + number)


@contextmanager
def job_state(
    paths: Sequence[str | Path], *, settings: Mapping[str, Any], heartbeat: float = 30.0
) -> Iterator[None]:
    """Keep the state of this job in files while the block runs, in the main thread.

    The files are removed if the block ends well. After an exception they say ``failed``; after
    Ctrl-C, SIGTERM or an exit they say ``interrupted``.

    Parameters
    ----------
    paths : sequence of path
        One file for each cell that the job trains.
    settings : mapping
        Settings that the cells are trained with, in JSON's types.
    heartbeat : float
        Seconds between two signs of life.

    Raises
    ------
    OSError
        A file cannot be written at the start. Later problems with the files do not end the job.
    """
    files = [Path(path) for path in paths]
    about = {
        "host": socket.gethostname(),
        "machine": this_machine(),
        "pid": os.getpid(),
        "slurm_job_id": os.environ.get("SLURM_JOB_ID"),
        "started": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "settings": settings,
    }
    running, ended = json.dumps({"state": "running", **about}), ""
    for file in files:
        write_text(file, running)
    stop = threading.Event()
    heart = threading.Thread(
        target=_beat, args=(files, stop, heartbeat), name="heartbeat", daemon=True
    )
    handler = signal.signal(signal.SIGTERM, _terminate)
    heart.start()
    try:
        yield
    except BaseException as error:
        state = "failed" if isinstance(error, Exception) else "interrupted"
        message = f"{type(error).__name__}: {error}"
        ended = json.dumps({"state": state, "message": message, **about})
        raise
    finally:
        signal.signal(signal.SIGTERM, handler or signal.SIG_DFL)
        stop.set()
        heart.join()
        for file in files:
            with suppress(OSError, ValueError):
                # Another job may have taken the cell over while this one was suspended.
                if file.read_text(encoding="utf-8") == running:
                    write_text(file, ended) if ended else file.unlink()


def wait_for_another(paths: Sequence[str | Path], *, poll: float = 2.0) -> None:
    """Wait while another job trains any of these cells, looking again every `poll` seconds.

    A job can outlive the Snakemake that started it; the next Snakemake then starts it again.
    """
    said = False
    while others := [s for s in map(read_state, paths) if s and s["state"] == "running"]:
        if not said:
            who = {key: others[0].get(key) for key in ("host", "pid", "slurm_job_id")}
            log.warning("waiting for another job that trains the same cells: %s", who)
        said = True
        time.sleep(poll)


def read_state(path: str | Path) -> dict[str, Any] | None:
    """Content of a state file, None if there is none.

    Its ``state`` is running, failed, interrupted or unreadable.
    """
    try:
        with open(path, encoding="utf-8") as file:
            age = time.time() - os.fstat(file.fileno()).st_mtime  # NFS updates it on opening
            found: dict[str, Any] = json.load(file)
        if found["state"] not in ("running", "failed", "interrupted"):
            raise ValueError(f"state = {found['state']!r}")
        elsewhere = found["machine"] != this_machine()
        if found["state"] == "running" and not (age < FRESH and (elsewhere or alive(found["pid"]))):
            found["state"] = "interrupted"
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError, TypeError, KeyError) as error:
        return {"state": "unreadable", "message": f"not the state of a job ({error!r})"}
    return found


def _beat(files: Sequence[Path], stop: threading.Event, seconds: float) -> None:
    while not stop.wait(seconds):
        for file in files:
            with suppress(OSError):
                os.utime(file)
