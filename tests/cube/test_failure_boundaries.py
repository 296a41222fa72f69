"""Failure boundaries of a cube: who counts, and what is written."""

from __future__ import annotations

import json

import numpy as np
import pytest
import xarray as xr

from mfbench.cube.boundaries import failure_boundary
from mfbench.cube.failure_boundaries import CENSORED, boundary_variables, success_threshold
from mfbench.cube.monotone import NOT_MONOTONE, monotone_p_value
from mfbench.training.status import STATUS
from tests.figures.conftest import LENGTHS, make_cube, spoil

GROUP = {"architecture": "a", "width": 8, "kernel": "impulse"}


@pytest.fixture
def cube() -> xr.Dataset:
    return make_cube().drop_vars([v for v in make_cube() if str(v).startswith("boundary")])


def test_trials_are_the_seeds_at_the_selected_rate(cube: xr.Dataset) -> None:
    # Errors of the seeds: 0.01..0.03, 0.04, 0.08, 0.12 and 0.16..0.48 at M99 = 4, 8, 16.
    found = boundary_variables(cube).sel(GROUP)
    by_hand = failure_boundary(LENGTHS, [3, 7, 15], [3, 2, 0], [3, 3, 3])
    for name in ("memory_length", "memory_length_low", "memory_length_high"):
        assert float(found[f"boundary_{name}"]) == getattr(by_hand, name)
    assert float(found.boundary_rho) == by_hand.rho
    assert (
        float(boundary_variables(cube).boundary_rho.sel(GROUP | {"kernel": "airy"})) < by_hand.rho
    )
    assert (boundary_variables(cube).boundary_monotone_p_value == 1).all()
    # At the other rate all errors are five times as large.
    cube.selected_learning_rate[:] = 0.003
    other = failure_boundary(LENGTHS, [3, 7, 15], [1, 0, 0], [3, 3, 3])
    found = boundary_variables(cube).sel(GROUP)
    assert float(found.boundary_memory_length_high) == other.memory_length_high
    assert CENSORED[int(found.boundary_censored)] == other.censored == "below"


def test_each_seed_counts_at_its_own_rate(cube: xr.Dataset) -> None:
    # Errors of the third seed at the other rate: 0.15, 0.6 and 2.4.
    cube.selected_learning_rate[{"level": 0, "seed": 2}] = 0.003
    found = boundary_variables(cube).sel(GROUP)
    by_hand = failure_boundary(LENGTHS, [3, 7, 15], [2, 2, 0], [3, 3, 3])
    assert float(found.boundary_memory_length) == by_hand.memory_length


def test_success_that_returns_at_a_harder_level_is_flagged(cube: xr.Dataset) -> None:
    cube.relative_mse[{"level": 1}], cube.relative_mse[{"level": 2}] = 1.0, 0.01
    found = boundary_variables(cube).sel(GROUP)
    assert float(found.boundary_monotone_p_value) == monotone_p_value((3, 0, 3), (3, 3, 3))
    assert float(found.boundary_monotone_p_value) <= NOT_MONOTONE


def test_a_diverged_seed_is_a_failure_that_counts(cube: xr.Dataset) -> None:
    at = {"architecture": 1, "kernel": 0, "level": 1, "learning_rate": 1, "seed": 0}
    cube.status[at] = "diverged"
    cube.relative_mse[at] = np.nan
    found = boundary_variables(cube).sel(GROUP)
    by_hand = failure_boundary(LENGTHS, [3, 7, 15], [3, 1, 0], [3, 3, 3])
    assert float(found.boundary_memory_length) == by_hand.memory_length
    dropped = failure_boundary(LENGTHS, [3, 7, 15], [3, 1, 0], [3, 2, 3])
    assert by_hand.memory_length < dropped.memory_length


def test_levels_that_a_group_lacks_have_no_trials(cube: xr.Dataset) -> None:
    at = {"architecture": 1, "kernel": 0, "level": 1}
    cube.status[at] = "absent"
    cube.relative_mse[at] = np.nan
    cube.selected_learning_rate[at] = np.nan
    found = boundary_variables(cube)
    assert float(found.boundary_memory_length.sel(GROUP)) == pytest.approx(8)  # of 4 and 16
    assert float(found.boundary_memory_length.sel(GROUP | {"architecture": "b"})) > 8


def test_a_cell_that_failed_is_no_trial(cube: xr.Dataset) -> None:
    absent = cube.copy(deep=True)
    at = {"architecture": 1, "kernel": 0, "level": 1}
    spoil(cube, "failed", at)
    spoil(absent, "absent", at)
    found = boundary_variables(cube)
    xr.testing.assert_identical(found, boundary_variables(absent))
    assert float(found.boundary_memory_length.sel(GROUP)) == pytest.approx(8)  # of 4 and 16
    # As evidence of failure it would pull the boundary down.
    spoil(absent, "diverged", at)
    absent.selected_learning_rate[at] = 0.01
    assert float(boundary_variables(absent).boundary_memory_length.sel(GROUP)) < 7
    spoil(cube, "failed", {"architecture": 1})
    found = boundary_variables(cube).sel(architecture="a")
    assert (found.boundary_censored == CENSORED.index("absent")).all()


def test_a_group_without_any_level_is_absent(cube: xr.Dataset) -> None:
    cube.status[{"architecture": 0}] = "absent"
    cube.relative_mse[{"architecture": 0}] = np.nan
    found = boundary_variables(cube).sel(architecture="b")
    assert (found.boundary_censored == CENSORED.index("absent")).all()
    assert found.boundary_memory_length_low.isnull().all()


def test_codes_and_words_of_the_status_mean_the_same(cube: xr.Dataset) -> None:
    cube.status[{"level": 2, "seed": 0}] = "diverged"
    cube.status[{"architecture": 0, "level": 0}] = "absent"
    cube.status[{"architecture": 1, "level": 0}] = "failed"
    coded = cube.copy()
    codes = np.vectorize(STATUS.index)(cube.status.values).astype("i1")
    coded["status"] = cube.status.dims, codes
    xr.testing.assert_identical(boundary_variables(coded), boundary_variables(cube))


def test_the_study_says_what_success_is(cube: xr.Dataset) -> None:
    assert success_threshold(cube) == 0.1
    settings = json.loads(cube.attrs["settings"])
    settings["evaluation"]["success"] = 1e-6
    found = boundary_variables(cube.assign_attrs(settings=json.dumps(settings)))
    assert (found.boundary_censored == CENSORED.index("below")).all()
    assert found.boundary_memory_length.isnull().all()
    assert (found.boundary_memory_length_low == -np.inf).all()
