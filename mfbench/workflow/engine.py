"""Snakemake in a process of its own, and what it says about its jobs.

The process has its own session, so that Ctrl-C in a terminal does not reach it and its jobs: they
get one signal, from `SnakemakeRun.stop`. Events come as lines of JSON on its standard output.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from mfbench.workflow.snakefile import environment, snakefile

_MARK = "\x1e"  # starts each event, as in RFC 7464; other lines come from jobs and libraries
# Event fields to pass on.
_FIELDS = (
    *("rule_name", "jobid", "job_id", "wildcards", "input", "output", "log", "reason"),
    *("stats", "done", "total", "exception"),
)
_LOCKED = (
    "this folder is locked by another run, or by one that was killed: if none is running, remove "
    "the lock with `mfbench run STUDY --unlock`"
)


class RunError(ValueError):
    """A run of Snakemake ended with an error."""


class SnakemakeRun:
    """A run of Snakemake.

    Parameters
    ----------
    study : path
        The study file, relative to this folder.
    cores : int
        Number of cores to use.
    task : {"run", "plan", "unlock"}
        Run all jobs; say only which jobs would run; or remove the lock of a run that was killed.
    config : mapping, optional
        Sections and keys that override the study file.
    """

    def __init__(
        self,
        study: str | Path,
        *,
        cores: int = 1,
        task: str = "run",
        config: Mapping[str, Any] | None = None,
    ) -> None:
        asked = {"study": str(study), "cores": cores, "task": task, "config": dict(config or {})}
        self.problem = ""
        self._last = ""  # line that was printed
        self._process = subprocess.Popen(
            # -P: modules in the current folder must not shadow those of libraries.
            [sys.executable, "-P", "-m", "mfbench.workflow.engine", json.dumps(asked)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            env=environment(),
            encoding="utf-8",
            errors="replace",
            start_new_session=True,
        )

    def events(self) -> Iterator[dict[str, Any]]:
        """Yield what Snakemake says, until it ends.

        Each event has a ``kind``: one of Snakemake's `LogEvent`, ``text`` for its other messages,
        or ``output`` for a line that jobs or libraries print.
        """
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.startswith(_MARK):
                event = json.loads(line[1:])
                if event["kind"] == "error":
                    self.problem = event["msg"]
                yield event
            elif line.strip():
                self._last = line.strip()
                yield {"kind": "output", "level": "INFO", "msg": line.rstrip()}

    def stop(self) -> None:
        """Tell Snakemake and its jobs to stop, as Ctrl-C would."""
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGINT)

    def check(self) -> None:
        """Read the events that are left and wait for the end.

        Raises
        ------
        RunError
            Not all went well; the message is Snakemake's last error, or else how its process ended.
        """
        with self._process:
            for _ in self.events():
                pass
        if status := self._process.returncode:
            ended = f"signal {-status}" if status < 0 else f"exit status {status}"
            last = f": {self._last}" if self._last else ""
            raise RunError(self.problem or f"Snakemake ended with {ended}{last}")


class _Events(logging.Handler):
    """Writes Snakemake's events to standard output."""

    def emit(self, record: logging.LogRecord) -> None:
        event = {"kind": str(getattr(record, "event", None) or "text"), "level": record.levelname}
        event |= {key: vars(record)[key] for key in _FIELDS if key in vars(record)}
        event["msg"] = record.getMessage() if record.msg else ""
        try:
            print(_MARK + json.dumps(event, default=str), flush=True)  # noqa: T201
        except BrokenPipeError:  # the process that started this one is gone: stop, too
            logging.getLogger("snakemake.logging").removeHandler(self)
            os.killpg(0, signal.SIGINT)


def _ask_snakemake(*, study: str, cores: int, task: str, config: Mapping[str, Any]) -> bool:
    """Use Snakemake's API with the settings of profiles/default; whether all went well."""
    import yaml
    from snakemake.api import SnakemakeApi
    from snakemake.exceptions import LockException, WorkflowError
    from snakemake.scheduling.greedy import SchedulerSettings as GreedySettings
    from snakemake.settings.enums import RerunTrigger
    from snakemake.settings.types import (
        ConfigSettings,
        DAGSettings,
        OutputSettings,
        ResourceSettings,
        SchedulingSettings,
    )

    log = logging.getLogger("snakemake.logging")
    file = snakefile()
    profile = yaml.safe_load((file.parent / "profiles/default/config.yaml").read_text())
    output = OutputSettings(
        dryrun=task == "plan", show_failed_logs=profile.pop("show-failed-logs"), nocolor=True
    )
    with SnakemakeApi(output) as snakemake:
        log.handlers[:] = [_Events()]  # in place of the one that writes to the terminal
        try:
            workflow = snakemake.workflow(
                ResourceSettings(cores=cores, resources=profile.pop("resources")),
                ConfigSettings(configfiles=[Path(study)], config=config),
                snakefile=file,
            )
            dag = workflow.dag(
                DAGSettings(
                    targets={"all"},
                    force_incomplete=profile.pop("rerun-incomplete"),
                    rerun_triggers={
                        RerunTrigger.parse_choice(t) for t in profile.pop("rerun-triggers")
                    },
                )
            )
            scheduling = SchedulingSettings(scheduler=profile.pop("scheduler"))
            if profile:
                raise ValueError(
                    f"mfbench run does not know {', '.join(profile)} of {file}'s profile"
                )
            if task == "unlock":
                dag.unlock()
            else:
                dag.execute_workflow(
                    executor="dryrun" if task == "plan" else "local",
                    scheduling_settings=scheduling,
                    scheduler_settings=GreedySettings(),
                )
        except KeyboardInterrupt:
            return False
        except WorkflowError as error:
            text = _LOCKED if isinstance(error, LockException) else str(error)
            log.error("%s", text, extra={"event": "error"})
            return False
        except Exception as error:
            snakemake.print_exception(error)
            return False
    return True


if __name__ == "__main__":
    # Shells let programs in the background ignore it, and jobs would inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.exit(0 if _ask_snakemake(**json.loads(sys.argv[1])) else 1)
