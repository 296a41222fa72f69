"""Synthetic cubes: real studies with errors that a test chooses."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from mfbench.models.build import build_model
from mfbench.predictions.catalogue import prediction
from mfbench.predictions.cells import cells
from mfbench.predictions.scoreboard import judge
from mfbench.predictions.verdict import Verdict
from mfbench.study.study import Study, load_study
from mfbench.tasks.kernels.memory import memory_function, window_weights
from mfbench.workflow.plan import study_settings
from tests.conftest import built_here

STEPS = np.array([1, 10, 100, 1000])


@dataclass(frozen=True)
class Member:
    """What a synthetic error may depend on."""

    name: str
    options: Mapping[str, Any]
    layers: int
    width: int
    state_size: float
    receptive_field: float
    kernel: str
    rho: float
    memory_length: int
    rate: float
    seed: int
    time_power: float

    @property
    def wobble(self) -> float:
        """A factor that varies a little between seeds."""
        return 1 + 0.1 * self.seed


def study_of(**changes: Any) -> Study:
    """A study with five seeds at one learning rate, with the given sections replaced."""
    study = {
        "name": "synthetic",
        "task": {"length": 64, "sequences": {"train": 64, "validation": 8, "test": 8}},
        "training": {"learning_rates": [0.01], "seeds": [0, 1, 2, 3, 4], "steps": 1000},
        **changes,
    }
    study["training"] = {"batch_size": 8, "steps": 1000, "seeds": [0, 1, 2, 3, 4]} | study[
        "training"
    ]
    return load_study(study)


def make_cube(
    study: Study,
    error: Callable[[Member], float],
    *,
    curve: Callable[[Member], Any] | None = None,
    steps: Any = STEPS,
    learned: Callable[[Member, Any], Any] | None = None,
    perturbed: Callable[[Member, float], float] | None = None,
) -> xr.Dataset:
    """Make the cube of a study, as open_benchmark returns it.

    Parameters
    ----------
    study : Study
        Source of the cube's settings, tasks and models.
    error : callable
        Relative error of a member: infinite if it diverged, NaN if it was not trained.
    curve : callable, optional
        Validation error at each of `steps`; by default the relative error at all steps.
    learned : callable, optional
        Learned memory function, computed from the target; by default the target, scaled down to
        the member's error.
    perturbed : callable, optional
        Error with perturbed weights, for perturbations of 0, 0.01 and 0.1.
    """
    settings = study_settings(built_here(study))
    length, scored_from = study.task.length, study.task.scored_from
    weights = window_weights(length, scored_from)
    widths = sorted({w for a in study.architectures.values() for w in a.widths})
    names, kernels = list(study.architectures), list(study.kernels)
    rates, seeds = sorted(study.training.learning_rates), sorted(study.training.seeds)
    levels = max(len(study.levels(kernel)) for kernel in kernels)
    axes = {
        "architecture": names,
        "width": widths,
        "kernel": kernels,
        "level": list(range(levels)),
        "learning_rate": rates,
        "seed": seeds,
        "lag": np.arange(length),
        "step": steps,
        "perturbation": [0.0, 0.01, 0.1],
    }
    member = ("architecture", "width", "kernel", "level", "learning_rate", "seed")
    variables: dict[str, tuple[str, ...]] = {
        "relative_mse": member,
        "relative_mse_standard_error": member,
        "validation_error": (*member, "step"),
        "learned_memory_function": (*member, "lag"),
        "selected_learning_rate": member[:4],
        "memory_function": ("kernel", "level", "lag"),
        "weights": ("lag",),
        "rho": ("kernel", "level"),
        "memory_length": ("kernel", "level"),
        **dict.fromkeys(("state_size", "receptive_field", "linear"), member[:2]),
    }
    if perturbed:
        variables["perturbation_error"] = (*member, "perturbation")
    else:
        del axes["perturbation"]
    cube = xr.Dataset(coords=axes)
    for name, dims in variables.items():
        cube[name] = dims, np.full([len(axes[d]) for d in dims], np.nan)
    cube["status"] = member, np.full([len(axes[d]) for d in member], "absent", dtype=object)
    cube.weights.values[:] = weights
    for i, kernel in enumerate(kernels):
        for level, task in enumerate(study.levels(kernel)):
            rho = float(task.rho)
            cube.rho[i, level], cube.memory_length[i, level] = rho, task.memory_length
            cube.memory_function[i, level] = memory_function(kernel, rho, length, weights)
    for a, (name, entry) in enumerate(study.architectures.items()):
        resolved = study.models[name].settings
        for width in entry.widths:
            w = widths.index(width)
            model = build_model(resolved, width=width, length=length)
            size, field = model.state_size or np.nan, model.receptive_field or np.nan
            cube.state_size[a, w], cube.receptive_field[a, w] = size, field
            cube.linear[a, w] = float(model.linear)
            for i, kernel in enumerate(kernels):
                for level, task in enumerate(study.levels(kernel)):
                    k = cube.memory_function.values[i, level]
                    errors = np.full((len(rates), len(seeds)), np.inf)
                    for r, rate in enumerate(rates):
                        for s, seed in enumerate(seeds):
                            this = Member(
                                name=name,
                                options=resolved["options"],
                                layers=resolved["layers"],
                                width=width,
                                state_size=size,
                                receptive_field=field,
                                kernel=kernel,
                                rho=float(task.rho),
                                memory_length=task.memory_length,
                                rate=rate,
                                seed=seed,
                                time_power=study.training_of(name).loss.time_power,
                            )
                            at = (a, w, i, level, r, s)
                            e = errors[r, s] = error(this)
                            if np.isnan(e):
                                continue
                            cube.status.values[at] = "diverged" if np.isinf(e) else "ok"
                            values = curve(this) if curve else np.full(len(steps), e)
                            cube.validation_error.values[at] = values
                            if np.isinf(e):
                                continue
                            cube.relative_mse.values[at] = e
                            cube.relative_mse_standard_error.values[at] = 0.01 * e
                            h = learned(this, k) if learned else k * (1 - np.sqrt(e))
                            cube.learned_memory_function.values[at] = h
                            if perturbed:
                                cube.perturbation_error.values[at] = [
                                    perturbed(this, beta) for beta in (0.0, 0.01, 0.1)
                                ]
                    worst = np.where(np.isnan(errors), np.inf, errors)
                    chosen = rates[int(np.argmin(np.median(worst, axis=1)))]
                    cube.selected_learning_rate.values[a, w, i, level] = chosen
    cube = cube.set_coords(["rho", "memory_length", "state_size", "receptive_field", "linear"])
    return cube.assign_attrs(settings=json.dumps(settings))


def verdict_of(name: str, *cubes: xr.Dataset) -> Verdict:
    """Judge one prediction on the cells of some cubes."""
    return judge(prediction(name), [cell for cube in cubes for cell in cells(cube)])


def expect(verdict: Verdict, answer: str, reason: str = "") -> Verdict:
    """Check a verdict's answer and a part of its reason, and return the verdict."""
    assert verdict.verdict == answer, verdict
    assert reason in verdict.reason, verdict
    return verdict
