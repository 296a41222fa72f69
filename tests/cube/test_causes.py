"""The cause of a failure, from synthetic runs that have one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import xarray as xr

from mfbench.cube.causes import (
    BOTH,
    BUDGET,
    INITIALISATION,
    LEARNING_RATE,
    NOT_DIAGNOSED,
    OUT_OF_REACH,
    UNRESOLVED,
    cause_of,
)
from mfbench.cube.diagnosis import diagnosing_runs, rates_beyond
from mfbench.training.run import Run

THRESHOLD, STEPS = 0.1, 100
RATES, SEEDS = (0.01, 0.03), (0, 1, 2)
FAILS, SOLVES = 0.8, 0.01


def cell_of(error: Any = FAILS, *, curve: Any = None, **changes: Any) -> xr.Dataset:
    """A cell whose members have these errors: one for all, or (learning rate, seed)."""
    errors = np.broadcast_to(error, (len(RATES), len(SEEDS))).astype(float)
    # The higher rate is the better one unless the errors say otherwise.
    validation = errors * np.array([1.01, 1.0])[:, None]
    steps = np.array([1, 10, 50, 66, 100])
    curves = np.ones((*errors.shape, 1)) * (curve or [1.0, 0.9, FAILS, FAILS, FAILS])
    member, numbers = (
        ("learning_rate", "seed"),
        {
            "lower_floor": np.nan,
            "upper_floor": np.nan,
            "linear": 0,
            "state_size": np.nan,
            "receptive_field": np.nan,
            **changes,
        },
    )
    return xr.Dataset(
        {
            "status": (member, np.where(np.isinf(errors), "diverged", "ok").astype(object)),
            "relative_mse": (member, errors),
            "best_validation_error": (member, validation),
            "validation_error": ((*member, "step"), curves),
            "time_variation": (member, np.zeros_like(errors)),
            "memory_function": ("lag", np.array([0.0, 0.0, 0.0, 1.0])),
            "weights": ("lag", np.array([1.0, 1.0, 1.0, 0.5])),
            **{name: ((), value) for name, value in numbers.items()},
        },
        coords={
            "learning_rate": list(RATES),
            "seed": list(SEEDS),
            "step": steps,
            "budget": STEPS,
        },
    )


def diagnosis_of(cell: xr.Dataset, solves: Any) -> xr.Dataset:
    """The runs that a diagnosis adds to a cell; `solves` says which succeed."""
    runs = diagnosing_runs(cell, steps=4, learning_rates=2, seeds=2)
    axes = [sorted({run[i] for run in runs}) for i in range(3)]
    shape = tuple(map(len, axes))
    status, errors = np.full(shape, "absent", object), np.full(shape, np.nan)
    for run in runs:
        at = tuple(axis.index(value) for axis, value in zip(axes, run, strict=True))
        status[at], errors[at] = "ok", SOLVES if solves(run) else FAILS
    dims = ("budget", "learning_rate", "seed")
    return xr.Dataset(
        {
            "status": (dims, status),
            "relative_mse": (dims, errors),
            "best_validation_error": (dims, errors),
        },
        coords=dict(zip(dims, axes, strict=True)),
    )


longer = lambda run: run.steps > STEPS  # noqa: E731
beyond = lambda run: run.learning_rate > max(RATES)  # noqa: E731
CASES = {
    BUDGET: longer,
    LEARNING_RATE: lambda run: beyond(run) and not longer(run),
    BOTH: lambda run: beyond(run) and longer(run),
    INITIALISATION: lambda run: run.seed == 4,
    UNRESOLVED: lambda run: False,
}


@pytest.mark.parametrize("cause", CASES)
def test_runs_that_solve_a_cell_name_its_cause(cause: str) -> None:
    cell = cell_of()
    found, evidence = cause_of(cell, diagnosis_of(cell, CASES[cause]), threshold=THRESHOLD)
    assert found == cause, evidence
    assert "seeds that succeed: 0 of 3 in the study" in evidence


def test_what_theory_allows_is_part_of_the_evidence() -> None:
    for upper, text in ((0.0, "no fixed size"), (1e-25, "less than 1e-06"), (0.05, "reaches 0.05")):
        cell = cell_of(lower_floor=0.0, upper_floor=upper)
        assert text in cause_of(cell, None, threshold=THRESHOLD)[1]


def test_a_minority_of_seeds_is_no_cause_but_luck() -> None:
    cell = cell_of()
    runs = diagnosis_of(cell, lambda run: longer(run) and run.seed == 0)
    assert cause_of(cell, runs, threshold=THRESHOLD)[0] == UNRESOLVED
    one = cell_of([[FAILS, FAILS, FAILS], [SOLVES, FAILS, FAILS]])
    runs = diagnosis_of(one, CASES[UNRESOLVED])
    assert cause_of(one, runs, threshold=THRESHOLD)[0] == INITIALISATION


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"receptive_field": 3}, "receptive field"),
        # On a marked clock, four lags need more than four steps.
        ({"receptive_field": 4, "lower_floor": 0.5, "linear_floor": 0.9}, "0.5 of the energy"),
        ({"linear": 1, "state_size": 2, "lower_floor": 0.2, "upper_floor": 0.3}, "state size"),
    ],
)
def test_a_floor_above_the_threshold_needs_no_experiment(
    changes: dict[str, float], reason: str
) -> None:
    for runs in (None, diagnosis_of(cell_of(), CASES[BUDGET])):
        found, evidence = cause_of(cell_of(**changes), runs, threshold=THRESHOLD)
        assert found == OUT_OF_REACH
        assert reason in evidence


def test_a_bound_for_linear_models_is_only_evidence_for_others() -> None:
    floors = {"lower_floor": 0.2, "upper_floor": 0.3}
    varies = cell_of(linear=1, state_size=2, **floors)
    varies["time_variation"] = xr.full_like(varies.time_variation, 0.1)
    for cell in (cell_of(state_size=2, **floors), varies):
        runs = diagnosis_of(cell, CASES[UNRESOLVED])
        found, evidence = cause_of(cell, runs, threshold=THRESHOLD)
        assert found == UNRESOLVED
        assert "beyond any linear model of this size" in evidence


@pytest.mark.parametrize(
    ("error", "curve", "hint"),
    [
        (FAILS, [1.0, 0.9, 0.8, 0.7, 0.5], "still falls"),
        (FAILS, [1.0, 0.81, 0.8, 0.8, 0.8], "on a plateau at 0.8 since step 10"),
        (FAILS, None, "upper edge"),
        ([[FAILS, FAILS, FAILS], [SOLVES, FAILS, FAILS]], None, "seeds disagree"),
    ],
)
def test_hints_without_experiments(error: Any, curve: Any, hint: str) -> None:
    found, evidence = cause_of(cell_of(error, curve=curve), None, threshold=THRESHOLD)
    assert found == NOT_DIAGNOSED
    assert hint in evidence


def test_no_run_repeats_one_of_the_study() -> None:
    runs = diagnosing_runs(cell_of(), steps=4, learning_rates=2, seeds=2)
    study = {Run(STEPS, rate, seed) for rate in RATES for seed in SEEDS}
    assert len(set(runs)) == len(runs)
    assert not study & set(runs)


def test_rates_that_a_pilot_left_out_count_as_beyond_the_grid() -> None:
    cell = cell_of()
    left_out = {"learning_rate": [max(RATES)]}
    cell.status.loc[left_out] = "absent"
    cell.best_validation_error.loc[left_out] = np.nan
    cell.relative_mse.loc[left_out] = np.nan
    runs = diagnosis_of(cell, CASES[LEARNING_RATE])  # on both sides of the only rate that ran
    assert cause_of(cell, runs, threshold=THRESHOLD)[0] == LEARNING_RATE


@pytest.mark.parametrize(
    ("edge", "expected"),
    [
        (-1, [0.00333, 0.00111]),
        (0, []),
        (1, [0.09, 0.27]),
        (np.nan, [0.09, 0.00333]),
    ],
)
def test_rates_beyond_the_grid(edge: float, expected: list[float]) -> None:
    assert rates_beyond(RATES, edge, count=2) == expected
