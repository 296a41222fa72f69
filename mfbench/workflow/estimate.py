"""What a study will take: seconds, memory and disk, from earlier jobs or a short timing."""

from __future__ import annotations

import csv
import heapq
import json
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import netCDF4

from mfbench.files.paths import WILDCARDS, Paths, named
from mfbench.study.study import Study
from mfbench.training.schedule import validation_steps
from mfbench.workflow.gpus import GPU_SLOTS, gpu_slots, gpus_for
from mfbench.workflow.plan import parts, training_settings
from mfbench.workflow.resources import levels_per_job
from mfbench.workflow.snakefile import environment
from mfbench.workflow.status import study_status

Model = tuple[str, int]  # architecture, width
_TIMING_SECONDS = 12.0  # of its measurements; it is ended after twice as long
# Seconds of a job on one core and MB, where no earlier job and no timing says more (T = 32 to 128).
_TYPICAL = {
    "datasets": (1.0, 100.0),
    "floors": (5.0, 130.0),
    "baselines": (5.0, 150.0),
    "training": (0.0, 400.0),
    "evaluation": (0.0, 400.0),
    "cube": (3.0, 200.0),
    "report": (8.0, 350.0),
}
_START = 3.0  # seconds until a job that needs torch does its work
_UNKNOWN = {"step": 0.01, "evaluation": 1.0}  # seconds of a member, where nothing is known
# Bytes: of a NetCDF file beside its numbers, of figures and report, and for each step of the
# sequence in the evaluation of a member.
_FILE, _REPORT, _EVALUATION = 60_000, 18_000_000, 110


@dataclass
class StageCost:
    """The jobs of one stage.

    Attributes
    ----------
    jobs, left : list of float
        Seconds of each job of the whole study, and of each that has not run yet.
    memory : float
        MB of the largest job.
    disk : float
        MB of all its files.
    basis : str
        Where these numbers come from.
    """

    jobs: list[float] = field(default_factory=list)
    left: list[float] = field(default_factory=list)
    memory: float = 0.0
    disk: float = 0.0
    basis: str = "typical values"


@dataclass
class Estimate:
    """What a study will take.

    Attributes
    ----------
    stages : dict
        By name, in the order of the data.
    parallel : int
        Jobs at once.
    """

    stages: dict[str, StageCost]
    parallel: int

    def seconds(self, *, left: bool = False) -> float:
        """Time of the whole study, or of what is left of it."""
        chosen = {name: s.left if left else s.jobs for name, s in self.stages.items()}
        last = sum(chosen.pop("cube")) + sum(chosen.pop("report"))
        return makespan([job for jobs in chosen.values() for job in jobs], self.parallel) + last

    @property
    def memory(self) -> float:
        """MB of as many of the largest jobs as run at once."""
        jobs = sorted(
            (s.memory for s in self.stages.values() for _ in s.jobs[: self.parallel]), reverse=True
        )
        return sum(jobs[: self.parallel])

    @property
    def disk(self) -> float:
        """MB of all files."""
        return sum(stage.disk for stage in self.stages.values())


def makespan(jobs: Iterable[float], parallel: int) -> float:
    """Time until all jobs end, with `parallel` at once.

    Examples
    --------
    >>> makespan([3, 1, 1, 1], 2)
    3.0
    """
    ends = [0.0] * parallel
    for seconds in jobs:
        heapq.heappush(ends, heapq.heappop(ends) + seconds)
    return max(ends)


@dataclass
class _Cost:
    """What is known about a model, from earlier jobs (``records``) or from a timing."""

    start: list[float] = field(default_factory=list)  # seconds of a training job beside its steps
    # Seconds of a member.
    step: list[float] = field(default_factory=list)
    validation: list[float] = field(default_factory=list)
    evaluation: list[float] = field(default_factory=list)
    memory: list[float] = field(default_factory=list)  # MB of a job
    parameters: int = 0
    basis: str = ""


def estimate(study: Study, study_file: str, *, cores: int) -> Estimate:
    """Estimate what a study takes on this machine, without its later phases.

    Parameters
    ----------
    study : Study
        The study, checked.
    study_file : str
        Its file.
    cores : int
        Jobs at once.
    """
    paths = Paths(study.results)
    stages = {name: StageCost() for name in _TYPICAL}
    tasks = [(k, level.rho) for k in study.kernels for level in study.levels(k)]
    of_tasks: list[dict[str, Any]] = [{"kernel": kernel, "rho": rho} for kernel, rho in tasks]
    for name, kind, files in (
        ("datasets", "dataset", of_tasks),
        ("floors", "floors", of_tasks),
        ("baselines", "baselines", of_tasks),
        ("cube", "benchmark", [{}]),
        ("report", "report", [{}]),
    ):
        stage, earlier = stages[name], [*_benchmarks(paths, kind)]
        typical, stage.memory = _TYPICAL[name]
        if earlier:
            typical = median(seconds for seconds, _ in earlier)
            stage.memory = max(mb for _, mb in earlier)
            stage.basis = "earlier jobs of this study"
        stage.jobs = [typical] * len(files)
        stage.left = [typical for file in files if not Path(paths.file(kind, **file)).exists()]
    costs = _costs(study, study_file)
    _models(study, stages, costs)
    sequences = study.task.sequences
    numbers = 2 * (sequences.train + sequences.validation + sequences.test) * study.task.length
    stages["datasets"].disk = len(tasks) * (_FILE + 4 * numbers) / 1e6
    stages["floors"].disk = stages["baselines"].disk = len(tasks) * _FILE / 1e6
    stages["cube"].disk = 0.6 * stages["evaluation"].disk
    stages["report"].disk = _REPORT / 1e6
    slots = gpu_slots(study.training)
    return Estimate(stages, min(cores, GPU_SLOTS // slots) if slots else cores)


def _models(study: Study, stages: Mapping[str, StageCost], costs: Mapping[Model, _Cost]) -> None:
    """Add the jobs of training and evaluation."""
    paths = Paths(study.results)
    most, length = levels_per_job(study), study.task.length
    states = {(c.architecture, c.width, c.kernel, c.rho): c for c in study_status(study).cells}
    training, evaluation = stages["training"], stages["evaluation"]
    for architecture, width, kernel in study.groups():
        cost, settings = costs[architecture, width], study.training_of(architecture)
        rates = study.pilot.keep if study.pilot else len(settings.learning_rates)
        each = rates * len(settings.seeds)
        validations = {n: len(validation_steps(n, settings.validations)) for n in settings.steps}
        members = each * len(settings.steps)
        cell = each * sum(
            n * _known(cost, "step") + validations[n] * _known(cost, "validation")
            for n in settings.steps
        )
        curves = each * sum(4 * n + 8 * validations[n] * length for n in settings.steps)
        start, rhos = _known(cost, "start"), [level.rho for level in study.levels(kernel)]
        if study.pilot:
            longest = max(settings.steps)
            member = longest * _known(cost, "step") + validations[longest] * _known(
                cost, "validation"
            )
            training.jobs.append(start + len(settings.learning_rates) * member)
            group = {"architecture": architecture, "width": width, "kernel": kernel}
            if not Path(paths.file("record", phase="pilot", part=1, **group)).exists():
                training.left.append(training.jobs[-1])
        for part in parts(rhos, most=most(architecture, width, "study")):
            cells = [states[architecture, width, kernel, rho] for rho in part]
            training.jobs.append(start + cell * len(part))
            missing = sum(
                (c.members_to_train or members) / members
                for c in cells
                if c.state in ("missing", "extended", "running")
            )
            if missing:
                training.left.append(start + cell * missing)
            training.disk += (_FILE + len(part) * (8 * members * cost.parameters + curves)) / 1e6
        seconds = _START + len(rhos) * members * _known(cost, "evaluation")
        evaluation.jobs.append(seconds)
        if not all(states[architecture, width, kernel, rho].evaluated for rho in rhos):
            evaluation.left.append(seconds)
        evaluation.disk += (_FILE + len(rhos) * members * _EVALUATION * length) / 1e6
    used = costs.values()
    basis = " and ".join({cost.basis: None for cost in used if cost.basis})
    missed = [
        f"{architecture} {width}" for (architecture, width), c in costs.items() if not c.basis
    ]
    for stage in (training, evaluation):
        stage.basis = basis + (f"; not measured: {', '.join(missed)}" if missed else "")
        stage.memory = max((mb for cost in used for mb in cost.memory), default=stage.memory)


def _known(cost: _Cost, name: str) -> float:
    values = getattr(cost, name)
    fallback = {"start": _START, "validation": 0.0, **_UNKNOWN}
    return median(values) if values else fallback[name]


def _costs(study: Study, file: str) -> dict[Model, _Cost]:
    """What each model takes, by earlier jobs beside this study's results, or else by a timing."""
    costs = {model: _Cost() for model in dict.fromkeys(group[:2] for group in study.groups())}
    _from_records(study, costs)
    unknown = [model for model, cost in costs.items() if not cost.step]
    if unknown:
        _from_timing(study, file, {model: costs[model] for model in unknown})
    for name in ("step", "evaluation"):  # of a model that was not measured: as of the slowest
        known = [median(getattr(cost, name)) for cost in costs.values() if getattr(cost, name)]
        for cost in costs.values():
            if known and not getattr(cost, name):
                setattr(cost, name, [max(known)])
    return costs


def _from_records(study: Study, costs: Mapping[Model, _Cost]) -> None:
    """Read training records of the same models at the same length, batch size and device."""
    wanted = {
        model: _comparable(training_settings(study, architecture=model[0], width=model[1]))
        for model in costs
    }
    device = "cuda" if gpus_for(study.training.device) else "cpu"
    for folder in sorted(Path(study.results).parent.glob("*")):
        paths = Paths(folder)
        for record in paths.existing("record"):
            try:
                with netCDF4.Dataset(record) as found:
                    settings = _comparable(json.loads(found.settings))
                    models = [m for m, mine in wanted.items() if mine == settings]
                    if not models or not found.device.startswith(device):
                        continue
                    seconds = found["seconds"][:].filled(float("nan"))
                    steps = found["budget"][:][:, None, None] + 0 * seconds
                    parameters = int(found.parameters)
            except (OSError, KeyError, AttributeError, ValueError):
                continue  # broken, or of another version
            ran = seconds > 0
            names = named(record)
            for model in models if ran.any() else []:
                cost = costs[model]
                cost.basis, cost.parameters = "earlier jobs", parameters
                cost.step.append(float(seconds[ran].sum() / steps[ran].sum()))
                for whole, mb in _benchmarks(paths, "record", **names):
                    cost.memory.append(mb)
                    if whole > seconds[ran].sum():  # else members came from checkpoints
                        cost.start.append(whole - float(seconds[ran].sum()))
                for whole, mb in _benchmarks(paths, "evaluation", **names):
                    cost.memory.append(mb)
                    cost.evaluation.append(max(0.0, whole - _START) / int(ran.sum()))


def _comparable(settings: Mapping[str, Any]) -> dict[str, Any]:
    """What the time of a step depends on."""
    task, training = settings["task"], settings["training"]
    return {
        "architecture": settings["architecture"],
        "width": settings["width"],
        "length": task["length"],
        "batch_size": training["batch_size"],
    }


def _from_timing(study: Study, file: str, costs: Mapping[Model, _Cost]) -> None:
    """Time a few steps of each model."""
    settings = study.training
    members = len(settings.learning_rates) * len(settings.seeds)
    levels = max(len(study.levels(kernel)) for kernel in study.kernels)
    most = levels_per_job(study)
    groups = [(*model, members * min(levels, most(*model, "study"))) for model in costs]
    asked = {"file": file, "seconds": _TIMING_SECONDS, "groups": groups}
    with subprocess.Popen(
        [sys.executable, "-P", "-m", "mfbench.workflow.timing", json.dumps(asked)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment(),
        text=True,
    ) as timing:
        ending = threading.Timer(2 * _TIMING_SECONDS, timing.kill)
        ending.start()
        assert timing.stdout is not None
        for line in timing.stdout:
            found = json.loads(line)
            cost = costs[found["architecture"], found["width"]]
            cost.basis = "a few steps of each model"
            cost.memory.append(found["mb"])
            cost.parameters = found.get("parameters", cost.parameters)
            for name in ("step", "validation", "evaluation"):
                if name in found:
                    getattr(cost, name).append(found[name])
            if "job" in found:
                cost.start.append(_START + found["job"])
        ending.cancel()


def _benchmarks(paths: Paths, kind: str, **names: Any) -> Iterator[tuple[float, float]]:
    """Seconds and MB of earlier jobs, as Snakemake measured them."""
    pattern = paths.benchmark(kind).format(**dict.fromkeys(WILDCARDS, "*") | names)
    root = Path(paths.results)
    for path in sorted(root.glob(str(Path(pattern).relative_to(root)))):
        with suppress(OSError, ValueError, KeyError), open(path, encoding="utf-8") as file:
            for row in csv.DictReader(file, delimiter="\t"):
                yield float(row["s"]), float(row["max_rss"])
