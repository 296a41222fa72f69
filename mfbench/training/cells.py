"""Train some cells of one (architecture, width, kernel) with all their members."""

from __future__ import annotations

import functools
import hashlib
import json
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from mfbench.files import package_versions
from mfbench.files.paths import rho_text
from mfbench.models.build import build_model, name_of
from mfbench.models.cost import multiply_adds
from mfbench.models.ensemble import ensemble_error, first_and_last, trained_parameters
from mfbench.models.judging import check_promises
from mfbench.models.model import Model
from mfbench.models.own_code import ArchitectureError
from mfbench.study.evaluation import EvaluationSettings
from mfbench.study.training import EXECUTION, TrainingSettings
from mfbench.training.checkpoints import Checkpoints, member_key
from mfbench.training.data import TrainingData
from mfbench.training.memory import members_at_once, step_bytes
from mfbench.training.progress import Progress
from mfbench.training.run import Run, runs_of
from mfbench.training.trainer import Member, Trainer, initial_model

log = logging.getLogger(__name__)
# The defaults, because a changed setting of the evaluation must not retrain anything.
_FACTORS = EvaluationSettings().length_factors
Report = Callable[[int, int], None]


@dataclass(frozen=True)
class TrainedCell:
    """A trained cell, or one that failed.

    Attributes
    ----------
    members : dict
        Progress by run; empty if the cell failed.
    message : str
        Error of the architecture's own code; "" if there was none.
    """

    members: Mapping[Run, Progress]
    message: str = ""


@dataclass(frozen=True)
class TrainedCells:
    """Trained levels of one (architecture, width, kernel).

    Attributes
    ----------
    cells : dict
        By rho, from easy to hard.
    runs : dict
        The runs that were asked for, by rho.
    length : int
        Sequence length T in steps.
    parameters : int or None
        Number of trained real numbers.
    state_size, receptive_field : int or None
    linear : bool or None
        What the model declares about itself; all None if it cannot be built.
    multiply_adds : int or None
        Per step of a sequence (`mfbench.models.cost`).
    """

    cells: Mapping[float, TrainedCell]
    runs: Mapping[float, Sequence[Run]]
    length: int
    parameters: int | None = None
    state_size: int | None = None
    receptive_field: int | None = None
    linear: bool | None = None
    multiply_adds: int | None = None


@dataclass(eq=False, kw_only=True)
class CellMember(Member):
    """A member of a cell, with its checkpoint.

    Attributes
    ----------
    rho : float
        The level.
    steps : int
        Its budget.
    key : str
        Digest of everything from which its checkpoint must have been made.
    checkpoints : Checkpoints or None
        The folder of the checkpoint; None if it has none.
    """

    rho: float
    steps: int
    key: str
    checkpoints: Checkpoints | None

    @property
    def run(self) -> Run:
        """Its budget, learning rate and seed."""
        return Run(self.steps, self.learning_rate, self.seed)

    @property
    def name(self) -> str:
        """For messages."""
        return (
            f"rho = {rho_text(self.rho)}, {self.steps} steps, learning rate "
            f"{self.learning_rate:g}, seed {self.seed}"
        )

    def load(self) -> None:
        """Restore its progress from the last checkpoint, if there is one."""
        kept = self.checkpoints
        self.progress = None if kept is None else kept.load(self.run, self.key)

    def save(self) -> None:
        """Write its checkpoint."""
        if self.checkpoints is not None:
            self.checkpoints.save(self.run, self.key, _progress(self))


def train_cells(
    architecture: Mapping[str, Any],
    tasks: Mapping[float, TrainingData],
    *,
    width: int,
    settings: TrainingSettings,
    code: str = "",
    checkpoints: Mapping[float, str | Path] | None = None,
    runs: Mapping[float, Sequence[Run]] | None = None,
    share: int | None = None,
    report: Report | None = None,
    partial: bool = False,
) -> TrainedCells:
    """Train all members of some cells.

    Members that an earlier job finished are taken from the checkpoints. So adding a seed, a
    learning rate or a level trains only new members, and a killed job continues where it stopped.

    Parameters
    ----------
    architecture : mapping
        Settings for `build_model`.
    tasks : mapping
        The task of each rho, on the device to train on, from easy to hard.
    width : int
        Number of channels.
    settings : TrainingSettings
        The training section of the study.
    code : str
        Digest of the code that trains, for checkpoints.
    checkpoints : mapping, optional
        Folder for the members of each rho; by default there are no checkpoints.
    runs : mapping, optional
        The runs of each rho; by default all those that the settings name.
    share : int, optional
        This job's share of the GPU's memory in bytes.
    report : callable, optional
        Called with the steps done and the steps to do, over all members, again and again.
    partial : bool
        Whether KeyboardInterrupt ends the training early: members then count with the steps that
        they took, and those that took none do not count.

    Raises
    ------
    ArchitectureError
        The architecture cannot be built or run, or breaks a promise of all models, and
        `settings.broken` is 'stop'. Otherwise its cells are recorded as failed.
    """
    where = f"architecture {name_of(architecture['model'])}, width {width}"
    data = next(iter(tasks.values()))
    length = data.length
    runs = runs or dict.fromkeys(tasks, runs_of(settings))
    try:
        warnings = check_promises(
            lambda: build_model(architecture, width=width, length=length, d_in=data.channels),
            length=length,
            lengths_of_evaluation=[factor * length for factor in _FACTORS],
            device=data.x.device,
        )
        model = initial_model(
            architecture, width=width, length=length, seed=settings.seeds[0], d_in=data.channels
        )
    except ArchitectureError as error:
        message = _failed(f"{where}: {error}", error, settings)
        return TrainedCells({rho: TrainedCell({}, message) for rho in tasks}, runs, length)
    for warning in warnings:
        log.warning("%s: %s", where, warning)
    members = _members(
        architecture, tasks, runs, width=width, settings=settings, code=code, folders=checkpoints
    )
    started = {id(m): m.progress.step for m in members if m.progress is not None}
    found = {id(member) for member in members if member.finished}
    left = [member for member in members if not member.finished]
    size = _ensemble_size(left, architecture, width=width, settings=settings, share=share)
    broken: dict[float, ArchitectureError] = {}
    make = functools.partial(Trainer, architecture, width=width, settings=settings)
    steps, total = 0, sum(member.steps for member in left)

    def report_step(step: int) -> None:
        """Count the steps of the members that train together as steps of all members."""
        if report is not None:
            report(steps + len(together) * step, total)

    try:
        for together in ensembles(left, size):
            _train(together, broken, make, report_step)
            steps += sum(member.steps for member in together)
    except KeyboardInterrupt:
        members = [m for m in members if m.progress and m.progress.validation_error]
        if not (partial and members):
            raise
        runs = {rho: [m.run for m in members if m.rho == rho] for rho in tasks}
    for member in members:
        if member.rho not in broken:
            how = f"went on at step {step}" if (step := started.get(id(member))) else "trained"
            _log_member(member, "found finished" if id(member) in found else how)
    messages = {rho: _failed(f"{where}, {error}", error, settings) for rho, error in broken.items()}
    return TrainedCells(
        {rho: _cell(members, rho, messages.get(rho, "")) for rho in tasks},
        runs=runs,
        length=length,
        parameters=sum(p.numel() for p in trained_parameters(model).values()),
        state_size=model.state_size,
        receptive_field=model.receptive_field,
        linear=model.linear,
        multiply_adds=_multiply_adds(model, data, where),
    )


def _multiply_adds(model: Model, data: TrainingData, where: str) -> int | None:
    """Per step; None if torch cannot count an operation of the model."""
    try:
        return round(multiply_adds(model.to(data.x.device), data.length))
    except ArchitectureError as error:  # not the model's fault: it has run before
        log.warning("%s: multiply-adds are not known: %s", where, error)
        return None


def _members(
    architecture: Mapping[str, Any],
    tasks: Mapping[float, TrainingData],
    runs: Mapping[float, Sequence[Run]],
    *,
    width: int,
    settings: TrainingSettings,
    code: str,
    folders: Mapping[float, str | Path] | None,
) -> list[CellMember]:
    """All members by cell, with their progress in earlier jobs."""
    members = []
    for rho, data in tasks.items():
        kept, common = None, dict[str, Any]()
        if folders is not None:
            kept = Checkpoints(folders[rho])
            common = {
                "architecture": dict(architecture),
                "width": width,
                "settings": settings.model_dump(
                    exclude={"steps", "learning_rates", "seeds", *EXECUTION}
                ),
                "data": _fingerprint(data),
                "code": code,
                "torch": package_versions().get("torch"),
                "device": data.x.device.type,
            }
        for run in runs[rho]:
            member = CellMember(
                data,
                run.learning_rate,
                run.seed,
                steps=run.steps,
                rho=rho,
                key=member_key({**common, **run._asdict()}),
                checkpoints=kept,
            )
            member.load()
            members.append(member)
    return members


def _ensemble_size(
    members: Sequence[CellMember],
    architecture: Mapping[str, Any],
    *,
    width: int,
    settings: TrainingSettings,
    share: int | None,
) -> int:
    """How many of these members train together at most; if one at a time, the log says why."""
    if len(members) < 2:
        return 1
    data = members[0].data
    size = settings.ensemble_size
    if size == "auto":
        try:
            needed = step_bytes(architecture, data, width=width, settings=settings)
        except ArchitectureError:
            return 1  # training each alone shows which one is at fault
        size = members_at_once(bytes_of_a_member=needed, share=share)
    if size == 1:
        return 1
    # Compare models with different seeds, if there are any, on a few inputs.
    other = next((m.seed for m in members if m.seed != members[0].seed), members[0].seed)
    try:
        models = [
            initial_model(
                architecture, width=width, length=data.length, seed=seed, d_in=data.channels
            )
            for seed in (members[0].seed, other)
        ]
    except ArchitectureError:
        return 1
    models = [model.to(data.x.device) for model in models]
    if (reason := ensemble_error(models, first_and_last(data.x))) is not None:
        log.warning(
            "%s, width %d, trains one member at a time: %s",
            name_of(architecture["model"]),
            width,
            reason,
        )
        return 1
    return size


def ensembles(members: Sequence[CellMember], size: int) -> Iterator[list[CellMember]]:
    """Yield the members that train together; those of an interrupted job stay together.

    The others follow by budget, in order, in ensembles of about equal size and at most `size`. So
    if a job stops after some ensembles, the next job forms the same remaining ones.
    """
    started: dict[tuple[int, int, int], list[CellMember]] = {}
    budgets: dict[int, list[CellMember]] = {}
    for member in members:
        if member.progress is None:
            budgets.setdefault(member.steps, []).append(member)
        else:
            number = member.progress.ensemble
            key = (member.steps, number, member.progress.step if number else -len(started))
            started.setdefault(key, []).append(member)
    for group in started.values():
        # Split again, because the setting may have changed since.
        for start in range(0, len(group), size):
            yield group[start : start + size]
    for fresh in budgets.values():
        smallest, larger = divmod(len(fresh), -(-len(fresh) // size))
        end = 0
        while end < len(fresh):
            start, end = end, end + smallest + (larger > 0)
            yield fresh[start:end]
            larger -= 1


def _train(
    members: Sequence[CellMember],
    broken: dict[float, ArchitectureError],
    make: Callable[..., Trainer],
    report: Callable[[int], None] | None = None,
) -> None:
    """Train members together, except those of cells that have failed.

    If they break, each goes on alone from its last checkpoint, which shows whose fault it was.
    """
    members = [member for member in members if member.rho not in broken]
    if not members:
        return
    trainer: Trainer | None = None
    try:
        trainer = make(members, steps=members[0].steps)
        trainer.train(save=_save, report=report)
    except KeyboardInterrupt:
        if trainer is not None:
            trainer.snapshot()
        raise
    except ArchitectureError as error:
        if len(members) == 1:
            error.args = (f"{members[0].name}: {error}",)
            broken[members[0].rho] = error
            return
        log.warning("%d members broke together and go on one at a time: %s", len(members), error)
    except (MemoryError, torch.OutOfMemoryError) as error:
        error.add_note(
            f"{len(members)} members trained together: raise training.jobs_per_gpu, or set "
            "training.ensemble_size lower"
        )
        raise
    else:
        return
    for member in members:
        member.load()
        if not member.finished:
            _train([member], broken, make)


def _save(members: Sequence[Member]) -> None:
    for member in members:
        assert isinstance(member, CellMember)
        member.save()


def _log_member(member: CellMember, how: str) -> None:
    done = _progress(member)
    fate = f"diverged at step {done.diverged_step}" if done.diverged_step >= 0 else "ok"
    log.info(
        "%s: %s, %s, validation error %.3g at step %d, %.1f s",
        *(member.name, how, fate, done.best_error, done.best_step, done.seconds),
    )


def _cell(members: Sequence[CellMember], rho: float, message: str) -> TrainedCell:
    if message:
        return TrainedCell({}, message)
    mine = [m for m in members if m.rho == rho]
    return TrainedCell({m.run: _progress(m) for m in mine})


def _progress(member: Member) -> Progress:
    assert member.progress is not None
    return member.progress


def _failed(message: str, error: ArchitectureError, settings: TrainingSettings) -> str:
    """Log and return the message of a failed cell, or raise it if the study asks to stop."""
    if settings.broken == "stop":
        raise ArchitectureError(message) from error
    log.error("FAILED, and recorded as such: %s", message, exc_info=error)
    return message


def _fingerprint(data: TrainingData) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for tensor in (data.x, data.y, data.x_validation, data.y_validation):
        digest.update(tensor.cpu().numpy().tobytes())
    digest.update(json.dumps(data.scored_from).encode())
    return digest.hexdigest()
