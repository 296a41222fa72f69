"""The dataset of one level: all members that were trained on one task."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from mfbench.evaluation.capacity import CAPACITY, OF_MARKED_TASKS
from mfbench.evaluation.inputs import Trained
from mfbench.evaluation.member import MEASURED
from mfbench.evaluation.optimum import RESOLVED, optimisation_part
from mfbench.evaluation.statistics import (
    first_step_below,
    plateau_length,
    rate_edge,
    select_learning_rates,
)
from mfbench.files.netcdf import about
from mfbench.floors.netcdf import Floors
from mfbench.models.own_code import ArchitectureError
from mfbench.study.evaluation import EvaluationSettings
from mfbench.tasks.datasets import Task
from mfbench.training.record import weight_name
from mfbench.training.run import Run
from mfbench.training.status import STATUS

log = logging.getLogger(__name__)

MEMBER = ("budget", "learning_rate", "seed")
_ROUNDING = 1e-4  # share of a floor by which float32 rounding may undercut it
_DERIVED: dict[str, tuple[tuple[str, ...], str]] = {
    "optimisation_part": ((), "log10(relative_mse / max(upper_floor, 1e-6))"),
    "first_step_below": (
        ("threshold",),
        "first validated step with an error of at most the threshold",
    ),
    "plateau_length": (
        (),
        "longest plateau of the validation error, in steps; NaN if the task is never learned",
    ),
}
_SELECTED = "learning rate with the lowest median validation error over the other seeds"
_EDGE = "edge of the grid at which most seeds' selected rates lie"
_LINEAR_FLOOR = "relative error that no LTI model of input and marks of this size beats"
_OF_MEMBERS = {**MEASURED, **CAPACITY, **_DERIVED}
_OWN_SIZE = (
    "for the model's own state size and receptive field, with lag 0 free; 0 if the state can hold "
    "the whole sequence or has no fixed size"
)
_CAPACITY = (
    "of each seed at its selected learning rate, NaN for others and for models without a known "
    "state (capacity_message)"
)
_COMMENTS = {
    "selected_learning_rate": "a single seed counts at its own best rate",
    "selected_rate_edge": "-1: lowest rate, 1: highest, 0: neither; NaN if the grid has a single "
    "rate",
    "lower_floor": _OWN_SIZE,
    "upper_floor": _OWN_SIZE,
    "memory_capacity": _CAPACITY,
    "marked_memory_capacity": _CAPACITY,
    "total_memory_capacity": _CAPACITY + "; at most the size of the state",
    "readout_error": _CAPACITY + "; relative_mse can be lower, because the output may use the "
    "current input and nonlinear functions of the state",
}


def level_dataset(
    found: Trained,
    task: Task,
    floors: Floors,
    settings: EvaluationSettings,
    measured: Mapping[tuple[int, ...], Mapping[str, Any]],
) -> xr.Dataset:
    """Collect the results for a level.

    Parameters
    ----------
    found : Trained
        What was trained on its task.
    task : Task
    floors : Floors
        Floors of that task.
    settings : EvaluationSettings
        The evaluation section of the study.
    measured : mapping
        Results of `measure` by the indices of budget, learning rate and seed; other members have no
        errors.

    Returns
    -------
    Dataset
        As `evaluate_group` returns it, without the dimension level.

    Raises
    ------
    ArchitectureError
        A linear model beats its floor.
    """
    record = found.record
    lower, upper, linear = np.nan, np.nan, np.nan
    if found.model:
        lower, upper = floors.of_model(**_size(found))
        if task.marks is not None:
            linear, linear_upper = floors.of_linear_model(**_size(found))
            if found.model["linear"]:
                lower, upper = linear, linear_upper
    steps, rates = record.step.values, record.learning_rate.values
    curves, members = record.validation_error.values, record.status.shape
    sizes = {
        "lag": len(task.kernel),
        "time": len(task.kernel) - task.scored_from,
        "threshold": len(settings.thresholds),
        "perturbation": len(settings.perturbations.relative_norms),
        "length_factor": len(settings.length_factors),
    }
    of_members = _OF_MEMBERS | (OF_MARKED_TASKS if task.marks is not None else {})
    values = {
        name: np.full((*members, *(sizes[d] for d in dims)), np.nan)
        for name, (dims, _) in of_members.items()
    }
    for at in np.ndindex(members):
        values["first_step_below"][at] = [
            first_step_below(steps, curves[at], threshold) for threshold in settings.thresholds
        ]
        there = ~np.isnan(curves[at])  # a member is validated at the steps of its own budget
        values["plateau_length"][at] = plateau_length(
            steps[there], curves[at][there], **settings.plateau.model_dump()
        )
        if at not in measured:
            continue
        for name in measured[at].keys() & of_members.keys():
            values[name][at] = measured[at][name]
        error = measured[at]["relative_mse"]
        values["optimisation_part"][at] = optimisation_part(error, upper)
        if found.model["linear"] and task.marks is None:  # else there is no exact error
            run = Run(*(record[n].values[i].item() for n, i in zip(MEMBER, at, strict=True)))
            member = weight_name(task.rho, run, "").rstrip("/")
            name = f"{found.weights}: the member {member}"
            bound = lower
            if measured[at]["time_variation"] > RESOLVED:  # docs/theory.md, section 2
                log.warning("%s varies over time, so its state size implies no floor", name)
                bound, _ = floors.of_model(**{**_size(found), "state_size": None})
            exact = measured[at]["kernel_error"] + measured[at]["time_variation"]
            check_floor(exact, bound, model=name)
    selected = selected_rates(record)
    edge = np.array([rate_edge(each, rates) for each in selected])
    length = sizes["lag"]
    coordinates: dict[str, tuple[Any, str]] = {
        "lag": (np.arange(length, dtype="i4"), "lag"),
        "time": (np.arange(task.scored_from, length, dtype="i4"), "scored time step"),
        "threshold": (settings.thresholds, "threshold of the relative validation error"),
        "perturbation": (
            settings.perturbations.relative_norms,
            "norm of the perturbation relative to that of the weights",
        ),
        "length_factor": (
            np.array(settings.length_factors, dtype="i4"),
            "sequence length relative to that of the training",
        ),
    }
    scalars = _scalars(found, task, floors, lower=lower, upper=upper)
    if task.marks is not None:
        scalars["linear_floor"] = linear, _LINEAR_FLOOR
    messages = {
        "generalisation_message": "why a generalisation_error is NaN; empty if none is",
        "capacity_message": "why the memory_capacity of a member that counts is NaN; empty if "
        "none is",
    }
    over_lag = {
        "memory_function": (task.kernel, "memory function of the target"),
        "weights": (task.weights, "share of scored steps that see the lag"),
    }
    # All at once, because adding them one by one in xarray is slower than some models are.
    level: xr.Dataset = record.assign_coords(
        {name: (name, given, about(text)) for name, (given, text) in coordinates.items()}
    ).assign(
        {
            "selected_learning_rate": (("budget", "seed"), selected, about(_SELECTED)),
            "selected_rate_edge": ("budget", edge, about(_EDGE)),
        }
        | {name: ((), value, about(text)) for name, (value, text) in scalars.items()}
        | {name: ("lag", given, about(text)) for name, (given, text) in over_lag.items()}
        | {
            name: ((), np.array(_first(name, measured), dtype=object), about(text))
            for name, text in messages.items()
        }
        | {
            name: ((*MEMBER, *dims), values[name], about(text))
            for name, (dims, text) in of_members.items()
        }
    )
    for name, comment in _COMMENTS.items():
        if name in level:
            level[name].attrs["comment"] = comment
    return level


def selected_rates(record: xr.Dataset) -> NDArray[np.float64]:
    """The learning rate at which each seed counts, (budget, seed); NaN in a failed cell."""
    status = record.status.values
    selected = np.full((status.shape[0], status.shape[2]), np.nan)
    if not (status == STATUS.index("failed")).any():
        diverged, rates = status == STATUS.index("diverged"), record.learning_rate.values
        for i, errors in enumerate(record.best_validation_error.values):
            selected[i] = rates[select_learning_rates(errors, diverged[i])]
    return selected


def _first(message: str, measured: Mapping[tuple[int, ...], Mapping[str, Any]]) -> str:
    """The first of the members' messages that is not empty; empty if all are."""
    return next(filter(None, (member.get(message) for member in measured.values())), "")


def failed_level(
    found: Trained, task: Task, floors: Floors, settings: EvaluationSettings, *, message: str
) -> xr.Dataset:
    """A failed level: it has only the numbers of its task and of the model."""
    record = found.record.copy(deep=True)
    for name, values in record.data_vars.items():
        if values.dtype.kind == "f":
            record[name] = xr.full_like(values, np.nan)
    asked = record.status != STATUS.index("absent")
    record["status"] = xr.full_like(record.status, STATUS.index("failed")).where(asked, 0)
    record["best_step"], record["diverged_step"] = record.best_step * 0, record.best_step * 0 - 1
    record["message"] = (), np.array(message, dtype=object), record.message.attrs
    return level_dataset(replace(found, record=record), task, floors, settings, {})


def _size(found: Trained) -> dict[str, int | None]:
    return {name: found.model.get(name) for name in ("state_size", "receptive_field")}


def _scalars(
    found: Trained, task: Task, floors: Floors, *, lower: float, upper: float
) -> dict[str, tuple[float, str]]:
    """Numbers of the task and of the model, with their long names."""
    size = _size(found)
    # If a model cannot be built, its size is unknown.
    built = {
        name: found.model.get(name, np.nan) for name in ("parameters", "linear", "multiply_adds")
    }
    with np.errstate(divide="ignore"):
        part = np.log10(upper)
    return {
        "rho": (task.rho, f"knob of the {task.family} family"),
        "memory_length": (task.memory_length, "effective memory length M99 in time steps"),
        "order": (floors.order, "n01: smallest state size of a linear model with an error <= 1 %"),
        "parameters": (built["parameters"], "number of trained real numbers"),
        "multiply_adds": (
            built["multiply_adds"],
            "multiply-adds per step of a sequence, of products, convolutions and transforms",
        ),
        "linear": (built["linear"], "1 if the model is exactly linear in x"),
        "state_size": (
            size["state_size"] or np.nan,
            "number of reals in the state; NaN if none is declared",
        ),
        "receptive_field": (
            size["receptive_field"] or np.nan,
            "number of lags seen; NaN if no limit is declared",
        ),
        "lower_floor": (lower, "relative error that no LTI model of this size beats"),
        "upper_floor": (upper, "relative error of the best LTI model of this size we know"),
        "approximation_part": (part, "log10(upper_floor); -inf if the floor is 0"),
    }


def check_floor(error: float, lower_floor: float, *, model: str) -> None:
    """Check that a linear time-invariant model does not beat the lower bound for its size.

    Parameters
    ----------
    error : float
        Population error of the model, from its response and so without sampling error.
    lower_floor : float
        The certified bound.
    model : str
        Name of the model in the message.

    Raises
    ------
    ArchitectureError
        The error is below the bound by more than rounding. The architecture declares a wrong
        `state_size`, `receptive_field` or `linear`, or mfbench has a bug.
    """
    if error + RESOLVED < lower_floor * (1 - _ROUNDING):
        raise ArchitectureError(
            f"{model} is linear and has a relative error of {error:.6g}, below the floor of "
            f"{lower_floor:.6g} for its state size and receptive field: the architecture declares "
            "one of them too small, or mfbench has a bug"
        )
