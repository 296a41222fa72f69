"""Evaluation of one level: all members that were trained on one task."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import xarray as xr

from mfbench.architectures.build import build_model
from mfbench.architectures.own_code import during
from mfbench.config.evaluation import EvaluationSettings
from mfbench.datasets import Task
from mfbench.evaluation.inputs import Trained, load_member
from mfbench.evaluation.member import MEASURED, EvaluationData, measure_member
from mfbench.evaluation.optimum import RESOLVED, check_floor, optimisation_part
from mfbench.floors.record import Floors
from mfbench.statistics import first_step_below, plateau_length, select_learning_rate
from mfbench.training.record import weight_name
from mfbench.training.status import STATUS

log = logging.getLogger(__name__)

MEMBER = ("learning_rate", "seed")
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


def evaluate_level(
    architecture: Mapping[str, Any],
    task: Task,
    floors: Floors,
    found: Trained,
    *,
    width: int,
    settings: EvaluationSettings,
) -> xr.Dataset:
    """Evaluate every member of a level.

    Parameters
    ----------
    architecture : mapping
        Settings for `build_model`.
    task : Task
        With its test split.
    floors : Floors
        Of that task.
    found : Trained
        What was trained on it.
    width : int
        Number of channels.
    settings : EvaluationSettings
        The evaluation section of the study.

    Returns
    -------
    Dataset
        As `evaluate_group` gives it, without the level.

    Raises
    ------
    ArchitectureError
        The architecture's own code breaks.
    ValueError
        The weights do not fit the model, or a linear model beats its floor.
    """
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
            load_member(model, found.weights, prefix)
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


def failed_level(
    found: Trained, task: Task, floors: Floors, settings: EvaluationSettings, *, message: str
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


def _frame(found: Trained, task: Task, floors: Floors, settings: EvaluationSettings) -> xr.Dataset:
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
