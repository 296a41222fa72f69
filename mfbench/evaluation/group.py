"""Evaluation of all levels of one (architecture, width, kernel) in one go.

One job loads torch once for all of them; its file has the dimensions of the benchmark cube but for
those that it fixes.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import netCDF4  # noqa: F401  # xarray's engine; imported here so that its absence shows early
import numpy as np
import xarray as xr
from safetensors import safe_open
from torch import Tensor

from mfbench.architectures.build import build_model
from mfbench.config.evaluation import EvaluationSettings
from mfbench.datasets import Task, read_dataset
from mfbench.evaluation.member import MEASURED, EvaluationData, measure_member
from mfbench.evaluation.optimum import RESOLVED, check_floor, optimisation_part
from mfbench.floors.record import Floors, read_floors
from mfbench.statistics import first_step_below, plateau_length, select_learning_rate
from mfbench.storage import atomic, check_identity, check_variables, provenance, sealed
from mfbench.training.record import weight_name
from mfbench.training.status import STATUS

log = logging.getLogger(__name__)

MEMBER = ("learning_rate", "seed")
_DERIVED: dict[str, tuple[tuple[str, ...], str]] = {
    "optimisation_part": ((), "log10(relative_mse / max(upper_floor, 1e-6))"),
    "first_step_below": (("threshold",), "first validated step with an error at most that"),
    "plateau_length": (
        (),
        "longest plateau of the validation error, in steps; NaN where it is not left for good",
    ),
}


@dataclass(frozen=True)
class CellFiles:
    """The files of one level, and what they must have been made with.

    Attributes
    ----------
    dataset, floors, training, weights : path
        The training's record and the weights of its members.
    task : mapping
        ``kernel``, ``rho`` and ``task`` of the dataset and the floors; empty for any.
    cell : mapping
        Settings of the record and the weights; empty for any.
    """

    dataset: str | Path
    floors: str | Path
    training: str | Path
    weights: str | Path
    task: Mapping[str, Any] = field(default_factory=dict)
    cell: Mapping[str, Any] = field(default_factory=dict)


def cell_files(
    datasets: Sequence[str | Path],
    floors: Sequence[str | Path],
    records: Sequence[str | Path],
    weights: Sequence[str | Path],
    *,
    settings: Mapping[str, Any],
    names: Mapping[str, str],
) -> list[CellFiles]:
    """The files of all levels of a group, with what each must have been made with.

    Parameters
    ----------
    datasets, floors, records, weights : sequences of path
        One of each per level; the name of the dataset, ``rho=RHO.nc``, says which level it is.
    settings : mapping
        ``task``, ``architecture``, ``width`` and ``training`` of the study.
    names : mapping
        ``architecture``, ``width`` and ``kernel`` as they stand in file names.
    """
    trained = {key: settings[key] for key in ("task", "architecture", "width", "training")}
    levels = []
    for files in zip(datasets, floors, records, weights, strict=True):
        rho = Path(files[0]).stem.removeprefix("rho=")
        task = {"task": settings["task"], "kernel": names["kernel"], "rho": rho}
        cell = {**trained, "cell": {**names, "rho": rho}}
        levels.append(CellFiles(*files, task=task, cell=cell))
    return levels


def evaluate_group(
    architecture: Mapping[str, Any],
    files: Sequence[CellFiles],
    *,
    width: int,
    settings: EvaluationSettings,
) -> xr.Dataset:
    """Evaluate every member of every level.

    Parameters
    ----------
    architecture : mapping
        Settings for `build_model`.
    files : sequence of CellFiles
        The levels from easy to hard.
    width : int
        Number of channels.
    settings : EvaluationSettings
        The evaluation section of the study.

    Returns
    -------
    Dataset
        Dimensions level, learning_rate, seed, and lag, time, step, threshold, perturbation,
        length_factor where they apply.

    Raises
    ------
    BrokenFileError
        A file is corrupt, or of another task, cell or study than it should be.
    ValueError
        The weights do not fit the model, or a linear model is better than any of its size can be
        (the message names the file).
    """
    levels = [_evaluate_level(architecture, f, width=width, settings=settings) for f in files]
    group: xr.Dataset = xr.concat(
        levels,
        dim="level",
        join="exact",
        combine_attrs="override",
        data_vars="all",
        coords="minimal",
    )
    group = group.assign_coords(level=("level", np.arange(len(files), dtype="i4")))
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


def _evaluate_level(
    architecture: Mapping[str, Any],
    files: CellFiles,
    *,
    width: int,
    settings: EvaluationSettings,
) -> xr.Dataset:
    task = read_dataset(files.dataset, splits=("test",), made_for=files.task)
    training = _read_training(files.training, made_for=files.cell)
    weights = _read_weights(files.weights, made_for=files.cell)
    floors = read_floors(files.floors, made_for=files.task)
    level = _frame(training, task, floors, settings)
    lower, upper = float(level.lower_floor), float(level.upper_floor)
    field = training.attrs.get("receptive_field")
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
            prefix = weight_name(rate, seed, "")
            state = {k.removeprefix(prefix): v for k, v in weights.items() if k.startswith(prefix)}
            try:
                model.load_state_dict(state)
            except RuntimeError as error:
                raise ValueError(f"{files.weights} does not fit the model: {error}") from error
            found = measure_member(model, data, settings, seed=seed)
            if model.linear:
                name = f"{files.weights}: the member {prefix.rstrip('/')}"
                varies = found["time_variation"] > RESOLVED
                if varies:  # docs/theory.md, section 2
                    log.warning("%s varies over time: its state size sets it no floor", name)
                exact = found["kernel_error"] + found["time_variation"]
                check_floor(exact, of_field if varies else lower, model=name)
            found["optimisation_part"] = optimisation_part(found["relative_mse"], upper)
            for name, value in found.items():
                level[name][at] = value
    selected = select_learning_rate(
        training.best_validation_error.values, training.status.values == STATUS.index("diverged")
    )
    level["selected_learning_rate"] = (), training.learning_rate.values[selected]
    level.selected_learning_rate.attrs.update(
        long_name="learning rate with the least median validation error over seeds", units="1"
    )
    return level


def _read_training(path: str | Path, *, made_for: Mapping[str, Any]) -> xr.Dataset:
    with xr.open_dataset(sealed(path), engine="netcdf4", mask_and_scale=False) as opened:
        training = opened.load()
    needed = ("status", "validation_error", "best_validation_error")
    check_variables(path, "training record", training.variables, needed=needed)
    check_identity(path, json.loads(training.attrs["settings"]), made_for)
    return training


def _read_weights(path: str | Path, *, made_for: Mapping[str, Any]) -> dict[str, Tensor]:
    with safe_open(sealed(path), framework="pt") as file:
        metadata = file.metadata()
        check_variables(path, "file of weights", metadata, needed=("settings",))
        check_identity(path, json.loads(metadata["settings"]), made_for)
        return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118


def _frame(
    training: xr.Dataset, task: Task, floors: Floors, settings: EvaluationSettings
) -> xr.Dataset:
    """What is known before any model runs; measurements start as NaN."""
    level = training.drop_attrs(deep=False).copy()
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
    missing = {name: training.attrs.get(name) for name in ("state_size", "receptive_field")}
    scalar("order", floors.order, "n01: least state size of a linear model with an error <= 1 %")
    scalar("parameters", training.attrs["parameters"], "number of trained real numbers")
    scalar("linear", training.attrs["linear"], "1 where the model is exactly linear in x")
    scalar(
        "state_size",
        missing["state_size"] or np.nan,
        "total real state; NaN where none is declared",
    )
    scalar(
        "receptive_field",
        missing["receptive_field"] or np.nan,
        "lags seen; NaN where no limit is declared",
    )
    lower, upper = floors.of_model(**missing)
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
