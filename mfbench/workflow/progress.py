"""How far a run of a study is, from what Snakemake says about its jobs."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import netCDF4

from mfbench.files import BrokenFileError, read_json
from mfbench.files.paths import Paths, named
from mfbench.study.study import Study
from mfbench.training.checkpoint_progress import members_trained
from mfbench.workflow.plan import levels_of_phase

STAGE_NAMES = {
    "dataset": "datasets",
    "floors": "floors",
    "baselines": "baselines",
    "train": "training",
    "pilot": "learning rates",
    "evaluate": "evaluation",
    "benchmark_cube": "cube",
    "phase_cube": "cubes of phases",
    "refine": "refinement",
    "diagnose": "diagnosis",
    "evaluated": "lists of phases",
    "listed_baselines": "lists of baselines",
    "report_page": "report",
}
"""The name of each rule for people, in the order of the data."""


@dataclass
class StageProgress:
    """Jobs of one rule: how many there are, how many have finished, and their seconds in all."""

    jobs: int = 0
    done: int = 0
    seconds: float = 0.0


@dataclass
class _Job:
    rule: str
    started: float
    wildcards: Mapping[str, str]
    levels: list[float]
    results: list[str]  # files that it writes
    log: str


@dataclass
class StudyProgress:
    """The stages of a run, its speed, and what went wrong.

    Parameters
    ----------
    study : Study
    cores : int
        How many jobs run at once.
    clock : callable
        Returns seconds since the epoch.

    Attributes
    ----------
    said : list of str
        A line for each job that failed and each model that broke, as soon as it is known.
    failed : int
        Jobs that failed.
    """

    study: Study
    cores: int
    clock: Callable[[], float] = time.time
    stages: dict[str, StageProgress] = field(default_factory=dict)
    said: list[str] = field(default_factory=list)
    failed: int = 0
    _jobs: dict[int, _Job] = field(default_factory=dict)
    _began: float | None = None  # of the first training
    _trained: float = 0.0  # members of jobs that have finished
    _broken: set[str] = field(default_factory=set)  # messages of models that broke

    def see(self, event: Mapping[str, Any]) -> None:
        """Take in an event of `mfbench.workflow.engine.SnakemakeRun`."""
        if event["kind"] == "run_info":
            counts = {rule: n for rule, n in event["stats"].items() if rule not in ("all", "total")}
            order = [*STAGE_NAMES, *counts]
            for rule in sorted(counts, key=order.index):
                self.stages[rule] = StageProgress(counts[rule])
        elif event["kind"] == "job_info" and event["rule_name"] != "all":
            self._start(event)
        elif event["kind"] == "job_finished" and (job := self._jobs.pop(event["job_id"], None)):
            stage = self.stages[job.rule]
            stage.done += 1
            stage.seconds += self.clock() - job.started
            if job.rule == "train":
                self._trained += self._members(job)
            if job.rule in ("train", "evaluate"):
                self._say_broken(job)
        elif event["kind"] == "job_error" and (job := self._jobs.pop(event["jobid"], None)):
            self.failed += 1
            self.said.append(f"{self._named(job)} failed: {_last_line(job.log)}see {job.log}")

    def _start(self, event: Mapping[str, Any]) -> None:
        rule = event["rule_name"]
        levels = [named(path)["rho"] for path in event["input"] if "rho" in named(path)]
        log = next(iter(event["log"]), "")
        self._jobs[event["jobid"]] = _Job(
            rule, self.clock(), event["wildcards"], levels, event["output"], log
        )
        if rule == "train" and self._began is None:
            self._began = self.clock()
        stage = self.stages.setdefault(rule, StageProgress())
        at_work = sum(job.rule == rule for job in self._jobs.values())
        stage.jobs = max(stage.jobs, stage.done + at_work)  # a later phase adds jobs

    def _say_broken(self, job: _Job) -> None:
        """Say which cells failed because a model's own code broke; each error once."""
        found = [message for path in job.results for message in failed_cells(path)]
        for message in dict.fromkeys(found):
            if message not in self._broken:
                self._broken.add(message)
                self.said.append(f"cell failed, the others continue: {message}; see {job.log}")

    @property
    def members_per_second(self) -> float:
        """Members trained in a second since training began, 0 while none is known."""
        if self._began is None or self.clock() <= self._began:
            return 0.0
        done = self._trained + sum(map(self._members_so_far, self._training()))
        return done / (self.clock() - self._began)

    @property
    def seconds_left(self) -> float | None:
        """About how long the jobs that are known now will take; None while that is unknown."""
        left = 0.0
        for rule, stage in self.stages.items():
            if stage.done == stage.jobs:
                continue
            if rule == "train":
                if not (speed := self.members_per_second):
                    return None
                at_work = self._training()
                waiting = stage.jobs - stage.done - len(at_work)
                members = sum(map(self._members, at_work)) + self._trained
                in_a_job = members / (stage.done + len(at_work)) if stage.done or at_work else 0
                here = sum(self._members(job) - self._members_so_far(job) for job in at_work)
                left += (max(0.0, here) + waiting * in_a_job) / speed
            elif stage.done:
                mean = stage.seconds / stage.done
                left += mean * (stage.jobs - stage.done) / min(self.cores, stage.jobs)
        return left

    def _training(self) -> list[_Job]:
        return [job for job in self._jobs.values() if job.rule == "train"]

    def _members(self, job: _Job) -> int:
        training = self.study.training_of(job.wildcards["architecture"])
        usual = len(training.steps) * len(training.learning_rates) * len(training.seeds)
        phase, runs = job.wildcards["phase"], {}
        if phase != self.study.phases[0]:
            try:
                cells = read_json(Paths(self.study.results).file("cells", phase=phase))
            except (OSError, BrokenFileError):
                return usual * len(job.levels)
            group = (job.wildcards["architecture"], int(job.wildcards["width"]))
            runs = levels_of_phase(self.study, cells).get((*group, job.wildcards["kernel"]), {})
        return sum(len(runs.get(rho) or ()) or usual for rho in job.levels)

    def _members_so_far(self, job: _Job) -> float:
        paths = Paths(self.study.results)
        names = {key: job.wildcards[key] for key in ("architecture", "width", "kernel")}
        return sum(
            members_trained(paths.file("checkpoints", rho=rho, **names), since=job.started)
            for rho in job.levels
        )

    @staticmethod
    def _named(job: _Job) -> str:
        shown = [v for k, v in job.wildcards.items() if k not in ("phase", "part")]
        return " ".join([STAGE_NAMES.get(job.rule, job.rule), *shown])


def failed_cells(path: str | Path) -> list[str]:
    """The message of each failed cell in a training record, an evaluation or a cube.

    Parameters
    ----------
    path : path
        The file. If it cannot be read, the result is empty: whoever needs its numbers reports that.
    """
    if Path(path).suffix != ".nc":
        return []
    try:
        with netCDF4.Dataset(path) as file:
            texts = file.variables.get("message")  # a cube of an earlier version has none
            return [] if texts is None else [text for text in texts[:].flat if text]
    except OSError:
        return []


def _last_line(log: str) -> str:
    """The last line of a log, which names the error, with a semicolon; "" if there is none."""
    try:
        lines = Path(log).read_text(encoding="utf-8", errors="replace").split("\n")
    except OSError:
        return ""
    said = [line.strip() for line in lines if line.strip()]
    return f"{said[-1][:200]}; " if said else ""
