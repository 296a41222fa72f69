"""Training of the cells (architecture, width, kernel, rho) of a pack with all their members."""

from __future__ import annotations

import functools
import hashlib
import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from mfbench.architectures.build import check_contract
from mfbench.architectures.model import SequenceModel
from mfbench.architectures.own_code import ArchitectureError
from mfbench.config.training import EXECUTION, TrainingSettings
from mfbench.storage import package_versions
from mfbench.training.checkpoints import Checkpoints, member_key
from mfbench.training.data import TrainingData
from mfbench.training.member import Run, initial_model, train_member
from mfbench.training.progress import Progress
from mfbench.training.stack import stack_size, train_stack

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Cell:
    """A trained cell, or one that failed.

    Attributes
    ----------
    members : dict
        Progress by (learning rate, seed); none where it failed.
    failure : str
        What its architecture's own code broke at; "" where it did not.
    """

    members: Mapping[tuple[float, int], Progress]
    failure: str = ""


@dataclass(frozen=True)
class Pack:
    """The trained levels of one (architecture, width, kernel).

    Attributes
    ----------
    cells : dict
        By rho as it stands in the study's levels, from easy to hard.
    length : int
        Sequence length T in steps.
    parameters : int or None
        Number of trained real numbers.
    state_size, receptive_field : int or None
    linear : bool or None
        What the model declares about itself; None for all of them where it cannot be built.
    """

    cells: Mapping[str, Cell]
    length: int
    parameters: int | None = None
    state_size: int | None = None
    receptive_field: int | None = None
    linear: bool | None = None


@dataclass
class Member:
    """One member of a pack before, while and after it is trained.

    Attributes
    ----------
    rho : str
        The level.
    learning_rate, seed
        Which of the members there.
    data : TrainingData
        The level's task.
    key : str
        What its checkpoint must have been made from.
    checkpoints : Checkpoints
        Where that lies.
    progress : Progress or None
        What there is of it.
    run : Run or None
        The member at work.
    """

    rho: str
    learning_rate: float
    seed: int
    data: TrainingData
    key: str
    checkpoints: Checkpoints
    progress: Progress | None = None
    run: Run | None = None

    @property
    def name(self) -> str:
        """For messages."""
        return f"rho = {self.rho}, learning rate {self.learning_rate:g}, seed {self.seed}"

    @property
    def finished(self) -> bool:
        """It has nothing left to do."""
        return self.progress is not None and self.progress.finished

    def start(
        self, architecture: Mapping[str, Any], *, width: int, settings: TrainingSettings
    ) -> Run:
        """Put it to work where it was left."""
        if self.run is None:
            self.run = Run(
                architecture,
                self.data,
                width=width,
                learning_rate=self.learning_rate,
                seed=self.seed,
                settings=settings,
                progress=self.progress,
            )
            self.progress = self.run.progress
        return self.run

    def reload(self) -> None:
        """Leave its work, and take what the last checkpoint has of it."""
        self.run = None
        self.progress = self.checkpoints.load(self.learning_rate, self.seed, self.key)

    def save(self, progress: Progress) -> None:
        """Write its checkpoint."""
        self.checkpoints.save(self.learning_rate, self.seed, self.key, progress)


def train_pack(
    architecture: Mapping[str, Any],
    tasks: Mapping[str, TrainingData],
    *,
    width: int,
    settings: TrainingSettings,
    code: str,
    checkpoints: str | Path,
    keep_going: bool = False,
) -> Pack:
    """Train all members of all cells of a pack.

    Members that an earlier job finished are taken from the checkpoints, whatever the pack that it
    trained: adding a seed, a learning rate or a level trains only what is new, and a killed job
    goes on where it was.

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
        Digest of the code that trains.
    checkpoints : path
        Folder in which each level has one with its members.
    keep_going : bool
        Record cells at which the architecture's own code breaks as failed, and go on.

    Raises
    ------
    ArchitectureError
        The architecture cannot be built or run, or breaks the contract of all models, and
        `keep_going` is not set.
    """
    where = f"architecture {architecture['model']}, width {width}"
    length = next(iter(tasks.values())).length
    try:
        model = initial_model(architecture, width=width, length=length, seed=settings.seeds[0])
        check_contract(model, length=length)
    except ArchitectureError as error:
        failure = _failure(f"{where}: {error}", error, keep_going=keep_going)
        return Pack({rho: Cell({}, failure) for rho in tasks}, length)
    members = _members(
        architecture, tasks, width=width, settings=settings, code=code, folder=Path(checkpoints)
    )
    failures: dict[str, str] = {}
    found = {id(member) for member in members if member.finished}
    _train_stacked(members, model, architecture, width=width, settings=settings)
    for member in members:
        if member.rho in failures:
            continue
        try:
            done = _train(member, architecture, width=width, settings=settings)
        except ArchitectureError as error:
            message = f"{where}, {member.name}: {error}"
            failures[member.rho] = _failure(message, error, keep_going=keep_going)
            continue
        how = "found finished" if id(member) in found else "trained"
        fate = f"diverged at step {done.diverged_step}" if done.diverged_step >= 0 else "ok"
        log.info(
            "%s: %s, %s, validation error %.3g at step %d, %.1f s",
            *(member.name, how, fate, done.best_error, done.best_step, done.seconds),
        )
    return Pack(
        {rho: _cell(members, rho, failures.get(rho, "")) for rho in tasks},
        length=length,
        parameters=sum(p.numel() for p in model.parameters()),
        state_size=model.state_size,
        receptive_field=model.receptive_field,
        linear=model.linear,
    )


def _members(
    architecture: Mapping[str, Any],
    tasks: Mapping[str, TrainingData],
    *,
    width: int,
    settings: TrainingSettings,
    code: str,
    folder: Path,
) -> list[Member]:
    """All members of a pack with what is left of them from earlier jobs, by cell."""
    members = []
    for rho, data in tasks.items():
        common = {
            "architecture": dict(architecture),
            "width": width,
            "settings": settings.model_dump(exclude={"learning_rates", "seeds", *EXECUTION}),
            "data": _fingerprint(data),
            "code": code,
            "torch": package_versions().get("torch"),
            "device": data.x.device.type,
        }
        kept = Checkpoints(folder / f"rho={rho}")
        for learning_rate in settings.learning_rates:
            for seed in settings.seeds:
                key = member_key({**common, "learning_rate": learning_rate, "seed": seed})
                found = kept.load(learning_rate, seed, key)
                members.append(Member(rho, learning_rate, seed, data, key, kept, found))
    return members


def _train_stacked(
    members: Sequence[Member],
    model: SequenceModel,
    architecture: Mapping[str, Any],
    *,
    width: int,
    settings: TrainingSettings,
) -> None:
    """Train the members that are not finished as stacks, where the settings or the device ask so.

    Whose fault it is where a stack breaks shows when its members go on alone. A stack whose size
    is left to mfbench is halved where the memory does not suffice.
    """
    left = [member for member in members if not member.finished]
    size = stack_size(
        settings.stack, model=model, members=len(left), device=members[0].data.x.device
    )
    while size > 1 and left:
        runs = [member.start(architecture, width=width, settings=settings) for member in left]
        save = functools.partial(_save, left)
        try:
            train_stack(runs, size=size, save=save)
        except ArchitectureError as error:
            log.warning("a stack of members broke; they go on one at a time: %s", error)
            size = 1
        except (MemoryError, torch.OutOfMemoryError) as error:
            if settings.stack != "auto":
                raise
            size //= 2
            log.warning("%s: stacks of %d members are tried", error, size)
        # A stack may have broken between a step and the validation that is due after it.
        del runs
        for member in left:
            member.run = None
            if not member.finished:
                member.reload()
        left = [member for member in left if not member.finished]


def _save(members: Sequence[Member], index: int, progress: Progress) -> None:
    members[index].save(progress)


def _train(
    member: Member, architecture: Mapping[str, Any], *, width: int, settings: TrainingSettings
) -> Progress:
    """Train a member to its end, where it is not there yet."""
    if member.progress is None or not member.finished:
        run = member.start(architecture, width=width, settings=settings)
        member.save(train_member(run, save=member.save))
        member.run = None  # a member at work holds memory that a finished one does not need
    return _progress(member)


def _cell(members: Sequence[Member], rho: str, failure: str) -> Cell:
    if failure:
        return Cell({}, failure)
    mine = [m for m in members if m.rho == rho]
    return Cell({(m.learning_rate, m.seed): _progress(m) for m in mine})


def _progress(member: Member) -> Progress:
    assert member.progress is not None
    return member.progress


def _failure(message: str, error: ArchitectureError, *, keep_going: bool) -> str:
    """The message, in the log; raised where nothing but the study's end would come of it."""
    if not keep_going:
        raise ArchitectureError(message) from error
    log.error("FAILED, and recorded as such: %s", message, exc_info=error)
    return message


def _fingerprint(data: TrainingData) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for tensor in (data.x, data.y, data.x_validation, data.y_validation):
        digest.update(tensor.cpu().numpy().tobytes())
    digest.update(json.dumps([data.scored_from, data.variance]).encode())
    return digest.hexdigest()
