"""Evaluation of all levels of one (architecture, width, kernel) in one go.

One job loads torch once for all of them; its file has the dimensions of the benchmark cube but for
those that it fixes.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import netCDF4  # noqa: F401  # xarray's engine; imported here so that its absence shows early
import numpy as np
import xarray as xr
from safetensors import safe_open
from torch import Tensor

from mfbench.architectures.build import build_model
from mfbench.architectures.model import SequenceModel
from mfbench.architectures.own_code import ArchitectureError, during
from mfbench.config.evaluation import EvaluationSettings
from mfbench.datasets import Task, read_dataset, task_named
from mfbench.evaluation.member import MEASURED, EvaluationData, measure_member
from mfbench.evaluation.optimum import RESOLVED, check_floor, optimisation_part
from mfbench.floors.record import Floors, read_floors
from mfbench.statistics import first_step_below, plateau_length, select_learning_rate
from mfbench.storage import atomic, check_identity, check_variables, provenance, sealed
from mfbench.training.record import weight_name
from mfbench.training.status import STATUS

log = logging.getLogger(__name__)

MEMBER = ("learning_rate", "seed")
_OF_THE_MODEL = ("parameters", "linear", "state_size", "receptive_field")
_SELECTED = {
    "long_name": "learning rate with the least median validation error over seeds",
    "units": "1",
}
_DERIVED: dict[str, tuple[tuple[str, ...], str]] = {
    "optimisation_part": ((), "log10(relative_mse / max(upper_floor, 1e-6))"),
    "first_step_below": (("threshold",), "first validated step with an error at most that"),
    "plateau_length": (
        (),
        "longest plateau of the validation error, in steps; NaN where it is not left for good",
    ),
}


@dataclass(frozen=True)
class TaskFiles:
    """The files of one level: its dataset and floors.

    Attributes
    ----------
    dataset, floors : path
    made_for : mapping
        The ``kernel``, ``rho`` and ``task`` that they must be of; empty for any.
    """

    dataset: str | Path
    floors: str | Path
    made_for: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class PackFiles:
    """What the training of some levels left: record and weights.

    Attributes
    ----------
    record, weights : path
    made_for : mapping
        The settings that they must have been made with; empty for any.
    """

    record: str | Path
    weights: str | Path
    made_for: Mapping[str, Any] = field(default_factory=dict)


def task_files(
    datasets: Sequence[str | Path],
    floors: Sequence[str | Path],
    *,
    task: Mapping[str, Any],
    kernel: str,
) -> list[TaskFiles]:
    """The files of all levels of a kernel, whose names, ``rho=RHO.nc``, say which level it is."""
    return [
        TaskFiles(*files, task_named(files[0], task=task, kernel=kernel))
        for files in zip(datasets, floors, strict=True)
    ]


def pack_files(
    records: Sequence[str | Path],
    weights: Sequence[str | Path],
    *,
    settings: Mapping[str, Any],
    names: Mapping[str, str],
) -> list[PackFiles]:
    """The files of all packs of a group, whose names, ``rho=PACK.nc``, say which pack it is.

    Parameters
    ----------
    records, weights : sequences of path
    settings : mapping
        ``task``, ``architecture``, ``width`` and ``training`` of the study.
    names : mapping
        ``architecture``, ``width`` and ``kernel`` as they stand in file names.
    """
    trained = {key: settings[key] for key in ("task", "architecture", "width", "training")}
    return [
        PackFiles(
            *files,
            {**trained, "pack": {**names, "pack": Path(files[0]).stem.removeprefix("rho=")}},
        )
        for files in zip(records, weights, strict=True)
    ]


@dataclass(frozen=True)
class _Trained:
    """What one level has in the files of its pack; `model` is what the pack says of the model."""

    record: xr.Dataset
    weights: str | Path
    model: Mapping[str, int]


def evaluate_group(
    architecture: Mapping[str, Any],
    tasks: Sequence[TaskFiles],
    packs: Sequence[PackFiles],
    *,
    width: int,
    settings: EvaluationSettings,
    keep_going: bool = False,
) -> xr.Dataset:
    """Evaluate every member of every level.

    Parameters
    ----------
    architecture : mapping
        Settings for `build_model`.
    tasks : sequence of TaskFiles
        The levels from easy to hard.
    packs : sequence of PackFiles
        What was trained, each level in one of them.
    width : int
        Number of channels.
    settings : EvaluationSettings
        The evaluation section of the study.
    keep_going : bool
        Record cells at which the architecture's own code breaks as failed, and go on.

    Returns
    -------
    Dataset
        Dimensions level, learning_rate, seed, and lag, time, step, threshold, perturbation,
        length_factor where they apply. A cell that failed, there or in the training, has the
        status 'failed', the message in `failure`, and no numbers.

    Raises
    ------
    BrokenFileError
        A file is corrupt, or of another task, pack or study than it should be.
    ValueError
        A level was not trained, the weights do not fit the model, or a linear model is better than
        any of its size can be (the message names the file).
    ArchitectureError
        The architecture's own code breaks, and `keep_going` is not set.
    """
    trained = _read_packs(packs)
    where = f"architecture {architecture['model']}, width {width}"
    levels = []
    for files in tasks:
        task = read_dataset(files.dataset, splits=("test",), made_for=files.made_for)
        floors = read_floors(files.floors, made_for=files.made_for)
        if float(task.rho) not in trained:
            raise ValueError(f"no training record has rho = {task.rho}, the level {files.dataset}")
        found = trained[float(task.rho)]
        message = str(found.record.failure.item())
        if not message:
            try:
                level = _evaluate_level(
                    architecture, task, floors, found, width=width, settings=settings
                )
            except ArchitectureError as error:
                message = f"{where}, rho = {task.rho}, evaluation: {error}"
                if not keep_going:
                    raise ArchitectureError(message) from error
                log.exception("FAILED, and recorded as such: %s", message)
        if message:
            level = _failed_level(found, task, floors, settings, message=message)
        levels.append(level)
    group: xr.Dataset = xr.concat(
        levels,
        dim="level",
        join="exact",
        combine_attrs="override",
        data_vars="all",
        coords="minimal",
    )
    group = group.assign_coords(level=("level", np.arange(len(tasks), dtype="i4")))
    group.level.attrs.update(long_name="level of difficulty, from easy to hard", units="1")
    return group


def write_evaluation(
    path: str | Path, group: xr.Dataset, *, resolved: Mapping[str, Any], title: str
) -> None:
    """Write an evaluated group atomically, with its provenance."""
    seeds = group.seed.values.tolist()
    group = group.assign_attrs(provenance(title=title, settings=resolved, seeds=seeds))
    group.attrs.update({k: resolved[k] for k in ("architecture_name", "width", "kernel")})
    with atomic(path) as temporary:
        group.to_netcdf(temporary, engine="netcdf4")


def _read_packs(packs: Sequence[PackFiles]) -> dict[float, _Trained]:
    """The trained levels by rho."""
    records: list[tuple[xr.Dataset, str | Path]] = []
    model: dict[str, int] = {}
    for files in packs:
        records.append((_read_record(files), files.weights))
        _check_weights(files)
        # A pack that could not be built does not know; the others do.
        model |= {name: v for name, v in records[-1][0].attrs.items() if name in _OF_THE_MODEL}
    return {
        float(record.rho[i]): _Trained(
            record.isel(level=i).drop_vars("rho").drop_attrs(deep=False), weights, model
        )
        for record, weights in records
        for i in range(record.sizes["level"])
    }


def _read_record(files: PackFiles) -> xr.Dataset:
    with xr.open_dataset(sealed(files.record), engine="netcdf4", mask_and_scale=False) as opened:
        record = opened.load().drop_encoding()
    needed = ("status", "validation_error", "best_validation_error", "rho", "failure")
    check_variables(files.record, "training record", record.variables, needed=needed)
    check_identity(files.record, json.loads(record.attrs["settings"]), files.made_for)
    return record


def _check_weights(files: PackFiles) -> None:
    """Once per file, and not for each member that is read from it."""
    with safe_open(sealed(files.weights), framework="pt") as file:
        metadata = file.metadata()
    check_variables(files.weights, "file of weights", metadata, needed=("settings",))
    check_identity(files.weights, json.loads(metadata["settings"]), files.made_for)


def _weights(path: str | Path, prefix: str) -> dict[str, Tensor]:
    """The tensors of a file whose names start like this, without that."""
    with safe_open(path, framework="pt") as file:
        names = [name for name in file.keys() if name.startswith(prefix)]  # noqa: SIM118
        return {name.removeprefix(prefix): file.get_tensor(name) for name in names}


def _load(model: SequenceModel, path: str | Path, prefix: str) -> None:
    try:
        model.load_state_dict(_weights(path, prefix))
    except RuntimeError as error:
        raise ValueError(f"{path} does not fit the model: {error}") from error


def _failed_level(
    found: _Trained, task: Task, floors: Floors, settings: EvaluationSettings, *, message: str
) -> xr.Dataset:
    """A level without any number but those of its task and of the model."""
    record = found.record.copy(deep=True)
    for name, values in record.data_vars.items():
        if values.dtype.kind == "f":
            record[name] = xr.full_like(values, np.nan)
    record["status"] = xr.full_like(record.status, STATUS.index("failed"))
    record["best_step"], record["diverged_step"] = record.best_step * 0, record.best_step * 0 - 1
    record["failure"] = (), np.array(message, dtype=object), record.failure.attrs
    level = _frame(replace(found, record=record), task, floors, settings)
    level["selected_learning_rate"] = (), np.nan, _SELECTED
    return level


def _evaluate_level(
    architecture: Mapping[str, Any],
    task: Task,
    floors: Floors,
    found: _Trained,
    *,
    width: int,
    settings: EvaluationSettings,
) -> xr.Dataset:
    training = found.record
    level = _frame(found, task, floors, settings)
    lower, upper = float(level.lower_floor), float(level.upper_floor)
    field = found.model.get("receptive_field")
    of_field, _ = floors.of_model(state_size=None, receptive_field=field)
    model = build_model(architecture, width=width, length=len(task.kernel))
    model.eval()
    data = EvaluationData.of(task, settings)
    for i, rate in enumerate(training.learning_rate.values.tolist()):
        for j, seed in enumerate(training.seed.values.tolist()):
            at = {"learning_rate": i, "seed": j}
            curve = training.validation_error[at].values
            level.first_step_below[at] = [
                first_step_below(training.step.values, curve, threshold)
                for threshold in settings.thresholds
            ]
            level.plateau_length[at] = plateau_length(
                training.step.values, curve, **settings.plateau.model_dump()
            )
            if training.status[at] != STATUS.index("ok"):
                continue  # its errors stay NaN
            prefix = weight_name(task.rho, rate, seed, "")
            _load(model, found.weights, prefix)
            with during(f"learning rate {rate:g}, seed {seed}"):
                measured = measure_member(model, data, settings, seed=seed)
            if model.linear:
                name = f"{found.weights}: the member {prefix.rstrip('/')}"
                varies = measured["time_variation"] > RESOLVED
                if varies:  # docs/theory.md, section 2
                    log.warning("%s varies over time: its state size sets it no floor", name)
                exact = measured["kernel_error"] + measured["time_variation"]
                check_floor(exact, of_field if varies else lower, model=name)
            measured["optimisation_part"] = optimisation_part(measured["relative_mse"], upper)
            for name, value in measured.items():
                level[name][at] = value
    selected = select_learning_rate(
        training.best_validation_error.values, training.status.values == STATUS.index("diverged")
    )
    rate = training.learning_rate.values[selected]
    level["selected_learning_rate"] = (), rate, _SELECTED
    return level


def _frame(found: _Trained, task: Task, floors: Floors, settings: EvaluationSettings) -> xr.Dataset:
    """What is known before any model runs; measurements start as NaN."""
    level = found.record.copy()
    length = len(task.kernel)
    level = level.assign_coords(
        lag=("lag", np.arange(length, dtype="i4"), {"long_name": "lag", "units": "1"}),
        time=(
            "time",
            np.arange(task.scored_from, length, dtype="i4"),
            {"long_name": "scored time step", "units": "1"},
        ),
        threshold=(
            "threshold",
            settings.thresholds,
            {"long_name": "threshold of the relative validation error", "units": "1"},
        ),
        perturbation=(
            "perturbation",
            settings.perturbations.relative_norms,
            {"long_name": "norm of the perturbation relative to that of the weights", "units": "1"},
        ),
        length_factor=(
            "length_factor",
            np.array(settings.length_factors, dtype="i4"),
            {"long_name": "sequence length relative to that of the training", "units": "1"},
        ),
    )

    def scalar(name: str, value: float, long_name: str) -> None:
        level[name] = (), value, {"long_name": long_name, "units": "1"}

    scalar("rho", float(task.rho), f"knob of the {task.family} family")
    scalar("memory_length", task.memory_length, "effective memory length M99 in time steps")
    size = {name: found.model.get(name) for name in ("state_size", "receptive_field")}
    scalar("order", floors.order, "n01: least state size of a linear model with an error <= 1 %")
    built = {name: found.model.get(name, np.nan) for name in ("parameters", "linear")}
    scalar("parameters", built["parameters"], "number of trained real numbers")
    scalar("linear", built["linear"], "1 where the model is exactly linear in x")
    scalar(
        "state_size",
        size["state_size"] or np.nan,
        "total real state; NaN where none is declared",
    )
    scalar(
        "receptive_field",
        size["receptive_field"] or np.nan,
        "lags seen; NaN where no limit is declared",
    )
    # Of a model that cannot be built no size is known.
    lower, upper = floors.of_model(**size) if found.model else (np.nan, np.nan)
    scalar("lower_floor", lower, "relative error that no linear model of this size beats")
    scalar("upper_floor", upper, "relative error of the best linear model of this size found")
    with np.errstate(divide="ignore"):
        part = np.log10(upper)
    scalar("approximation_part", part, "log10(upper_floor), -inf where the floor is 0")
    for name in ("lower_floor", "upper_floor"):
        level[name].attrs["comment"] = (
            "at the model's own state size and receptive field, lag 0 free; 0 where the state is "
            "at least as large as the sequence is long, or not of a fixed size"
        )
    for name, values in (("memory_function", task.kernel), ("weights", task.weights)):
        level[name] = "lag", values
    level.memory_function.attrs = {"long_name": "memory function of the target", "units": "1"}
    level.weights.attrs = {"long_name": "share of scored steps that see the lag", "units": "1"}
    for name, (extra, long_name) in {**MEASURED, **_DERIVED}.items():
        dims = (*MEMBER, *extra)
        shape = [level.sizes[d] for d in dims]
        level[name] = dims, np.full(shape, np.nan), {"long_name": long_name, "units": "1"}
    return level
