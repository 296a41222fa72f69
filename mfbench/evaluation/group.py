"""Evaluation of all levels of one (architecture, width, kernel) in one go.

One job loads torch once for all of them. Its file has the dimensions of the benchmark cube except
architecture, width and kernel. Members of all levels run together on a GPU, and on a CPU if they
are tiny.
"""

from __future__ import annotations

import copy
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
import xarray as xr

from mfbench.evaluation.capacity import memory_capacity
from mfbench.evaluation.inputs import Trained, load_member
from mfbench.evaluation.level import MEMBER, failed_level, level_dataset, selected_rates
from mfbench.evaluation.member import EvaluationData, measure
from mfbench.files import atomic, provenance
from mfbench.floors.netcdf import Floors
from mfbench.models.build import build_model
from mfbench.models.ensemble import Ensemble, ensemble_error, first_and_last
from mfbench.models.model import Model
from mfbench.models.own_code import ArchitectureError, own_code
from mfbench.study.evaluation import EvaluationSettings
from mfbench.tasks.datasets import Task
from mfbench.training.memory import members_at_once, peak_bytes
from mfbench.training.record import weight_name
from mfbench.training.run import Run
from mfbench.training.status import STATUS

log = logging.getLogger(__name__)

_CPU = torch.device("cpu")
# Maximum bytes of one layer's output for a batch of all members on a CPU, about the size of its
# cache. Below it, 4 members together are 0.9 to 1.5 times and 12 are 1.5 to 2.9 times as fast as
# alone; above it, as in the default study, 0.5 to 1.5 times (batches of 32 to 256 sequences, one
# thread).
_CPU_BYTES = 800_000
# A member of an ensemble takes more memory than alone, because vmap makes temporary copies.
_MARGIN = 1.5


@dataclass(eq=False)
class _Level:
    """A level during its evaluation."""

    task: Task
    floors: Floors
    found: Trained
    data: EvaluationData
    message: str  # error of the architecture's own code; "" if there was none
    # By the indices of budget, learning rate and seed.
    measured: dict[tuple[int, ...], dict[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True)
class _Member:
    """A trained member of a level, at the indices `at` of budget, learning rate and seed.

    It `counts` if its seed's learning rate is selected.
    """

    level: _Level
    at: tuple[int, ...]
    run: Run
    counts: bool

    def load(self, model: Model) -> Model:
        """Give a model its weights."""
        name = weight_name(self.level.task.rho, self.run, "")
        load_member(model, self.level.found.weights, name)
        return model


def evaluate_group(
    architecture: Mapping[str, Any],
    tasks: Sequence[tuple[Task, Floors]],
    trained: Mapping[float, Trained],
    *,
    width: int,
    settings: EvaluationSettings,
    device: torch.device = _CPU,
    share: int | None = None,
    stop: bool = False,
) -> xr.Dataset:
    """Evaluate every member of every level.

    Parameters
    ----------
    architecture : mapping
        Settings for `build_model`.
    tasks : sequence of (Task, Floors)
        The levels from easy to hard.
    trained : mapping
        What was trained, by rho (`read_trained`).
    width : int
        Number of channels.
    settings : EvaluationSettings
        The evaluation section of the study.
    device : torch.device
        Where the models run.
    share : int, optional
        This job's share of the GPU's memory in bytes.
    stop : bool
        Raise if the architecture's own code breaks; otherwise its cells are recorded as failed.

    Returns
    -------
    Dataset
        Dimensions level, budget, learning_rate, seed, and lag, time, step, threshold, perturbation,
        length_factor where they apply. A cell that failed, here or in training, has the
        status 'failed', the reason in `message`, and no numbers.

    Raises
    ------
    ValueError
        A level was not trained.
    ArchitectureError
        `stop` is set, and the architecture's own code breaks or a linear model beats the lower
        bound for its declared size.
    """
    where = f"architecture {architecture['model']}, width {width}"
    levels = [_level(task, floors, trained, settings) for task, floors in tasks]

    def fail(level: _Level, error: ArchitectureError, of: str = "") -> None:
        message = f"{where}, rho = {level.task.rho:.12g}, evaluation: {of}{error}"
        if stop:
            raise ArchitectureError(message) from error
        log.error("FAILED, and recorded as such: %s", message, exc_info=error)
        level.message = message

    members = [member for level in levels for member in _members(level)]
    if members:
        try:
            length = len(levels[0].task.kernel)
            with own_code():
                d_in = levels[0].data.x.shape[-1]
                model = build_model(architecture, width=width, length=length, d_in=d_in)
                model = model.eval().to(device)
        except ArchitectureError as error:
            for level in levels:
                if not level.message:
                    fail(level, error)
        else:
            _measure_all(members, model, settings, share=share, fail=fail)
    datasets = []
    for level in levels:
        about = (level.found, level.task, level.floors, settings)
        if not level.message:
            try:
                datasets.append(level_dataset(*about, level.measured))
            except ArchitectureError as error:  # it beats the floor for its declared size
                fail(level, error)
        if level.message:
            datasets.append(failed_level(*about, message=level.message))
    group: xr.Dataset = xr.concat(
        datasets,
        dim="level",
        join="exact",
        combine_attrs="override",
        data_vars="all",
        coords="minimal",
    )
    group = group.assign_coords(level=("level", np.arange(len(tasks), dtype="i4")))
    group.level.attrs.update(long_name="level of difficulty, from easy to hard", units="1")
    return group


def _level(
    task: Task, floors: Floors, trained: Mapping[float, Trained], settings: EvaluationSettings
) -> _Level:
    if task.rho not in trained:
        raise ValueError(f"no training record has {task.family} with rho = {task.rho:.12g}")
    found = trained[task.rho]
    data = EvaluationData.of(task, settings)
    return _Level(task, floors, found, data, message=str(found.record.message.item()))


def _members(level: _Level) -> list[_Member]:
    """The members that were trained to the end; the others have no errors."""
    record = level.found.record
    axes = [record[name].values.tolist() for name in MEMBER]
    rates = selected_rates(record)
    runs = {
        at: Run(*(axis[i] for axis, i in zip(axes, at, strict=True)))
        for at in map(tuple, np.argwhere(record.status.values == STATUS.index("ok")).tolist())
    }
    return [
        _Member(level, at, run, counts=run.learning_rate == rates[at[0], at[2]])
        for at, run in runs.items()
    ]


def _measure_all(
    members: Sequence[_Member],
    model: Model,
    settings: EvaluationSettings,
    *,
    share: int | None,
    fail: Callable[[_Level, ArchitectureError, str], None],
) -> None:
    """Measure as many members at once as pays on a CPU or fits into the share of a GPU."""
    left = members
    if share is None:
        x = members[0].level.data.x[: settings.batch_size]
        needed = x.nbytes * model.width
        size = max(1, _CPU_BYTES // needed)
    else:
        # The first one shows how much memory a member takes.
        first, left = members[:1], members[1:]
        device = model.like.device
        peak = peak_bytes(lambda: _measure(first, model, settings, fail=fail), device)
        size = members_at_once(bytes_of_a_member=int(_MARGIN * peak), share=share)
    if min(size, len(left)) > 1 and (reason := _no_ensemble(members, model)) is not None:
        log.warning("members are evaluated one at a time: %s", reason)
        size = 1
    for start in range(0, len(left), size):
        _measure(left[start : start + size], model, settings, fail=fail)


def _no_ensemble(members: Sequence[_Member], model: Model) -> str | None:
    """Why members cannot run together; None if they can."""
    x = members[0].level.data.x.to(model.like)
    try:
        models = [members[i].load(copy.deepcopy(model)) for i in (0, -1)]
    except ArchitectureError as error:
        return str(error)
    return ensemble_error(models, first_and_last(x))


def _measure(
    members: Sequence[_Member],
    model: Model,
    settings: EvaluationSettings,
    *,
    fail: Callable[[_Level, ArchitectureError, str], None],
) -> None:
    """Measure members together, except those of levels that have failed.

    If they break, each goes on alone, which shows whose fault it was.
    """
    members = [member for member in members if not member.level.message]
    if not members:
        return
    try:
        # The ensemble copies the first model, so that the next members can use it again.
        models = [model, *(copy.deepcopy(model) for _ in members[1:])]
        ensemble = Ensemble([m.load(each) for m, each in zip(members, models, strict=True)])
        ensemble.freeze()  # Jacobians are with respect to the input only
        found = measure(
            ensemble,
            [member.level.data for member in members],
            settings,
            seeds=[member.run.seed for member in members],
        )
    except ArchitectureError as error:
        if len(members) == 1:
            run = members[0].run
            of = f"{run.steps} steps, learning rate {run.learning_rate:g}, seed {run.seed}: "
            fail(members[0].level, error, of)
            return
        log.warning("%d members broke together and go on one at a time: %s", len(members), error)
        for member in members:
            _measure([member], model, settings, fail=fail)
    else:
        for member, each, measured in zip(members, models, found, strict=True):
            if member.counts:
                task = member.level.task
                capacity = memory_capacity(each, task)
                measured.update(capacity.named(marked=task.marks is not None))
                measured["capacity_message"] = capacity.message
            member.level.measured[member.at] = measured


def write_evaluation(
    path: str | Path, group: xr.Dataset, *, resolved: Mapping[str, Any], title: str
) -> None:
    """Write an evaluated group atomically, with its provenance."""
    seeds = group.seed.values.tolist()
    group = group.assign_attrs(provenance(title=title, settings=resolved, seeds=seeds))
    group.attrs.update({k: resolved[k] for k in ("architecture_name", "width", "kernel")})
    with atomic(path) as temporary:
        group.to_netcdf(temporary, engine="netcdf4")
