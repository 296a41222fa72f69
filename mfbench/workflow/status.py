"""The state of every cell of a study, from its files alone: nothing is locked or changed."""

from __future__ import annotations

import json
import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

import netCDF4

from mfbench.files import BrokenFileError, read_json
from mfbench.files.paths import Paths, rho_text
from mfbench.study.phases import PilotSettings
from mfbench.study.study import Study
from mfbench.study.training import MEMBERS
from mfbench.training.status import STATUS
from mfbench.workflow import plan
from mfbench.workflow.job_state import read_state
from mfbench.workflow.resources import levels_per_job

# Extended: trained, but the study has members that were added since.
STATES = ("done", "running", "failed", "diverged", "extended", "missing")
REASONS = ("interrupted", "outdated", "unreadable")  # why a cell is missing although files exist


@dataclass(frozen=True)
class CellStatus:
    """The state of one cell.

    Attributes
    ----------
    architecture, width, kernel, rho, phase
        Which cell, and the phase that adds it.
    state, reason : str
        One of `STATES`, and of `REASONS` or nothing. A cell has failed if the architecture's code
        broke or its job ended with an error. It has diverged if any of its members has.
    message, log : str
        The error of a failed cell, and the file that says more.
    diverged_members : int
        How many members diverged.
    members_to_train : int
        Of an extended cell: how many members its files lack.
    evaluated : bool
        Whether the evaluation holds the cell as it is trained now; a pilot needs none.
    job : mapping
        ``host``, ``pid``, ``slurm_job_id`` and ``started`` of a running job.
    """

    architecture: str
    width: int
    kernel: str
    rho: float
    phase: str
    state: str
    reason: str = ""
    message: str = ""
    log: str = ""
    diverged_members: int = 0
    members_to_train: int = 0
    evaluated: bool = False
    job: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        level = f"rho = {rho_text(self.rho)}"
        return f"{self.architecture}, width {self.width}, {self.kernel}, {level}"


@dataclass
class StudyStatus:
    """The cells of a study in its order, and what is wrong with unreadable files."""

    cells: list[CellStatus] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def of(self, state: str) -> list[CellStatus]:
        """The cells in a state, or missing for a reason."""
        return [cell for cell in self.cells if state in (cell.state, cell.reason)]

    def counts(self) -> dict[tuple[str, str], dict[str, int]]:
        """Counts by (architecture, kernel); "" stands for all of them.

        The keys are ``cells``, `STATES`, `REASONS`, ``evaluated``, and the members that diverged
        or are still to train in extended cells.
        """
        chosen: dict[tuple[str, str], list[CellStatus]] = defaultdict(list)
        for cell in self.cells:
            for key in product(("", cell.architecture), ("", cell.kernel)):
                chosen[key].append(cell)
        counts = {}
        for key, cells in chosen.items():
            words = Counter(word for cell in cells for word in (cell.state, cell.reason))
            counts[key] = {"cells": len(cells), **{w: words[w] for w in (*STATES, *REASONS)}}
            for name in ("evaluated", "diverged_members", "members_to_train"):
                counts[key][name] = sum(getattr(cell, name) for cell in cells)
        return counts


def study_status(study: Study) -> StudyStatus:
    """The state of every cell of a study; call it in the folder in which Snakemake runs."""
    paths, status, most = Paths(study.results), StudyStatus(), levels_per_job(study)
    phases = {study.phases[0]: plan.levels_of_phase(study, None)}
    for phase in study.phases[1:]:
        added = paths.file("cells", phase=phase)
        if Path(added).exists():
            try:
                phases[phase] = plan.levels_of_phase(study, read_json(added))
            except BrokenFileError as error:
                status.problems.append(str(error))
        elif phase == "study":  # while the pilot runs
            phases[phase] = plan.own_levels(study)
    for name, width in dict.fromkeys(group[:2] for group in study.groups()):
        training = plan.training_settings(study, architecture=name, width=width)
        evaluation = plan.evaluation_settings(study, architecture=name, width=width)
        settings = {"record": _comparable(training), "evaluation": _comparable(evaluation)}
        for kernel, (phase, levels) in product(study.kernels, phases.items()):
            names = {"phase": phase, "architecture": name, "width": width, "kernel": kernel}
            group = _Group(paths, names, settings, status.problems, study.pilot)
            planned = plan.parts(
                list(levels.get((name, width, kernel), {})), most=most(name, width, phase)
            )
            status.cells += group.cells(planned)
    return status


@dataclass(frozen=True)
class _Results:
    """What a training record or an evaluation holds for this study."""

    log: str
    reason: str = ""  # why it is of no use
    time: int = 0  # of its last change
    levels: Mapping[float, tuple[list[int], str]] = field(default_factory=dict)
    to_train: Mapping[float, int] = field(default_factory=dict)  # members of an extended level

    def outcome(self, rho: float) -> dict[str, Any]:
        """State of a cell by the codes of its members and its message."""
        codes, message = self.levels[rho]
        if STATUS.index("failed") in codes:
            return {"state": "failed", "message": message, "log": self.log}
        diverged = codes.count(STATUS.index("diverged"))
        return {"state": "diverged" if diverged else "done", "diverged_members": diverged}


@dataclass(frozen=True)
class _Group:
    """The files of a group in one phase."""

    paths: Paths
    names: Mapping[str, Any]
    settings: Mapping[str, Mapping[str, Any]]
    problems: list[str]
    pilot: PilotSettings | None

    def cells(self, planned: Sequence[Sequence[float]]) -> Iterator[CellStatus]:
        """The cells of the group, planned as training jobs of some levels each."""
        # Jobs come before records: a job that ends in between has written its record.
        jobs = {rho: self._job(rho, i) for i, part in enumerate(planned, 1) for rho in part}
        records = [self._results("record", part=i) for i in range(1, len(planned) + 1)]
        evaluation = self._results("evaluation")
        for own, part in zip(records, planned, strict=True):
            for rho in part:
                record = next((record for record in records if rho in record.levels), own)
                trained = rho in record.levels
                evaluated = trained and (
                    self._in_pilot or (rho in evaluation.levels and evaluation.time >= record.time)
                )
                if trained:
                    state = record.outcome(rho)
                    if rho in evaluation.levels and evaluated and state["state"] != "failed":
                        state = evaluation.outcome(rho)
                elif jobs[rho]:
                    state = jobs[rho]
                elif lacking := next((r.to_train[rho] for r in records if rho in r.to_train), 0):
                    state = {"state": "extended", "members_to_train": lacking}
                else:
                    state = {"state": "missing", "reason": own.reason}
                yield CellStatus(**self.names, rho=rho, evaluated=evaluated, **state)

    @property
    def _in_pilot(self) -> bool:
        return str(self.names["phase"]) == "pilot"

    def _of_phase(self, settings: Mapping[str, Any]) -> Mapping[str, Any]:
        """Settings with the pilot's own seed and budget, if this is its phase."""
        training = settings.get("training")
        if not self.pilot or not self._in_pilot or not training:
            return settings
        own = {"seeds": [self.pilot.seed], "steps": training["steps"][-1:]}
        return {**settings, "training": {**training, **own}}

    def _job(self, rho: float, part: int) -> dict[str, Any]:
        """State of a cell by its job, if there is one with the study's settings."""
        path = self.paths.file("job", rho=rho, **self.names)
        job = read_state(path) or {"state": ""}
        if job["state"] == "unreadable":
            self.problems.append(f"{path}: {job['message']}")
        settings = _comparable(job.get("settings", {}))
        if self._of_phase(settings) != self._of_phase(self.settings["record"]):
            return {}
        if job["state"] == "running":
            about = {key: job.get(key) for key in ("host", "pid", "slurm_job_id", "started")}
            return {"state": "running", "job": about}
        if job["state"] == "failed":
            log = self.paths.log("record").format(**self.names, part=part)
            return {"state": "failed", "message": job.get("message", ""), "log": log}
        return {"state": "missing", "reason": "interrupted"}

    def _results(self, kind: str, **part: int) -> _Results:
        """A record or the evaluation, with levels only if it was made with the study's settings."""
        path = self.paths.file(kind, **self.names, **part)
        log = self.paths.log(kind).format(**self.names, **part)
        try:
            time = Path(path).stat().st_mtime_ns
            settings, levels = _read(path, time)
        except FileNotFoundError:
            return _Results(log)
        except Exception as error:  # netCDF4 raises many things on truncated and foreign files
            self.problems.append(f"{path}: {error}")
            return _Results(log, "unreadable")
        wanted, there = self._of_phase(self.settings[kind]), self._of_phase(settings)
        if not wanted.items() <= there.items():
            if kind == "record" and (lacking := _members_to_train(wanted, there)):
                if self.pilot and not self._in_pilot:  # only some of the rates
                    rates = wanted["training"]["learning_rates"]
                    lacking = math.ceil(lacking * self.pilot.keep / len(rates))
                return _Results(log, to_train=dict.fromkeys(levels, lacking))
            return _Results(log, "outdated")
        return _Results(log, "", time, levels)


@cache  # so that --watch reads files again only if their time has changed
def _read(path: str, _: int) -> tuple[dict[str, Any], dict[float, tuple[list[int], str]]]:
    """Settings and levels in a file."""
    with netCDF4.Dataset(path) as file:
        file.set_auto_maskandscale(False)
        settings = json.loads(file.getncattr("settings"))
        rho = file["rho"][:].tolist()
        codes = file["status"][:].reshape(len(rho), -1).tolist()
        messages = file["message"][:].tolist()
    return _comparable(settings), dict(zip(rho, zip(codes, messages, strict=True), strict=True))


def _members_to_train(wanted: Mapping[str, Any], there: Mapping[str, Any]) -> int:
    """How many members of a cell its record lacks; 0 if it was made with other settings."""
    new, old = wanted["training"], there["training"]
    others = {k: v for k, v in new.items() if k not in MEMBERS}
    if {**wanted, "training": others} != {
        **{k: there.get(k) for k in wanted},
        "training": {k: v for k, v in old.items() if k not in MEMBERS},
    }:
        return 0
    kept = math.prod(len(set(new[axis]) & set(old[axis])) for axis in MEMBERS)
    return math.prod(len(new[axis]) for axis in MEMBERS) - kept if kept else 0


def _comparable(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings without how a job runs, and with lists in one order."""
    training = dict(settings.get("training", {}))
    for key in set(MEMBERS) & training.keys():
        training[key] = sorted(training[key])
    return {k: v for k, v in settings.items() if k != "execution"} | {"training": training}
