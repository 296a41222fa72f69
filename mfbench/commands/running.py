"""Run a study with Snakemake and show how far it is, until it ends or is stopped."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import typer
from rich.console import Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from mfbench.commands.failures import failed_lines
from mfbench.commands.output import console, say
from mfbench.commands.units import duration
from mfbench.files.paths import Paths
from mfbench.study.study import Study
from mfbench.words import counted
from mfbench.workflow.engine import SnakemakeRun
from mfbench.workflow.progress import STAGE_NAMES, StudyProgress
from mfbench.workflow.status import study_status

_SECONDS = 10.0  # between two plain lines
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def run_to_the_end(study: Study, file: str, *, cores: int, config: Mapping[str, Any]) -> None:
    """Run a study; Ctrl-C stops its jobs.

    Cells whose model broke are counted at the end; they are results, and no error.

    Parameters
    ----------
    study : Study
        The study, checked.
    file : str
        Its file.
    cores : int
        Jobs at once.
    config : mapping
        Sections and keys that override the study file.

    Raises
    ------
    ValueError
        A job failed, or Snakemake cannot run the study.
    typer.Exit
        The run was stopped.
    """
    progress = StudyProgress(study, cores)
    display = _Display(progress)
    run = SnakemakeRun(file, cores=cores, config=config)
    with display, _calling(run, display):
        for event in run.events():
            display.see(event)
    if display.stopping:
        sys.stderr.write(f"stopped: {_to_go_on(study, file)}\n")
        raise typer.Exit(130)
    if failed := progress.failed:
        raise ValueError(
            f"{counted(failed, 'job')} failed; fix the cause, then {_to_go_on(study, file)}"
        )
    run.check()
    say(*failed_lines(study, study_status(study)))
    what = "report" if progress.stages else "nothing to be done, the report is up to date"
    say(f"{what}: {Paths(study.results).file('report')}")


def _to_go_on(study: Study, file: str) -> str:
    return (
        f"`mfbench run {file}` continues from here; finished work is kept, and at most the last "
        f"{study.training.checkpoints.minutes:g} minutes of training are repeated"
    )


@contextmanager
def _calling(run: SnakemakeRun, display: _Display) -> Iterator[None]:
    """Pass on signals to the run's jobs. Nothing is raised, so that no event is lost."""

    def stop(*_: object) -> None:
        display.stopping = True
        run.stop()

    heard = [n for n in _SIGNALS if n != signal.SIGHUP or signal.getsignal(n) != signal.SIG_IGN]
    before = {number: signal.signal(number, stop) for number in heard}  # nohup stays in force
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class _Display:
    """What a run shows: a table in a terminal, else a line now and then."""

    def __init__(self, progress: StudyProgress) -> None:
        self.progress = progress
        self.stopping = False
        self._lock = threading.Lock()  # the table is drawn in a thread of its own
        self._console = console()
        self._live = Live(
            get_renderable=self._table,
            console=self._console,
            refresh_per_second=1,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._said, self._shown = 0.0, 0

    def __enter__(self) -> _Display:
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def see(self, event: Mapping[str, Any]) -> None:
        """Take in an event and show what is new."""
        with self._lock:
            self.progress.see(event)
        if not self.stopping:  # then every job fails, and processes say how they ended
            if event["kind"] == "output":
                self._console.print(event["msg"])
            for line in self.progress.said[self._shown :]:
                self._console.print(line, style="red", soft_wrap=True)
            self._shown = len(self.progress.said)
        if event["kind"] != "job_finished" or self._console.is_terminal:
            return
        if (now := self.progress.clock()) >= self._said + _SECONDS:
            self._said = now
            self._console.print(self._line(), soft_wrap=True)

    def _line(self) -> str:
        stages = [
            f"{STAGE_NAMES.get(rule, rule)} {stage.done}/{stage.jobs}"
            for rule, stage in self.progress.stages.items()
            if stage.done
        ]
        return "; ".join([", ".join(stages), *self._pace()])

    def _pace(self) -> Iterator[str]:
        training = self.progress.stages.get("train")
        at_work = training is not None and training.done < training.jobs
        if at_work and (speed := self.progress.members_per_second):
            number, unit = (speed, "second") if speed >= 0.1 else (60 * speed, "minute")
            shown = f"{number:.2g}"
            yield f"{shown} member{'' if shown == '1' else 's'} per {unit}"
        if left := self.progress.seconds_left:
            yield f"about {duration(left)} left"

    def _table(self) -> Group:
        table = Table.grid(padding=(0, 2))
        with self._lock:
            for rule, stage in self.progress.stages.items():
                done = "green" if stage.done == stage.jobs else ""
                table.add_row(STAGE_NAMES.get(rule, rule), Text(f"{stage.done}/{stage.jobs}", done))
            words = "planning" if not self.progress.stages else ", ".join(self._pace())
        return Group(table, Text("stopping the jobs" if self.stopping else words))
