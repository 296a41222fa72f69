"""The steps at which lags are learned, by hand."""

from __future__ import annotations

import numpy as np
import xarray as xr

from mfbench.figures.lag_table import lag_table, learned_steps
from tests.figures.conftest import make_cube, spoil

STEPS = np.array([1, 10, 100])


def test_a_lag_is_learned_from_the_step_at_which_it_stays_close() -> None:
    k = np.array([1.0, -2.0, 1.0, 1.0, 1.0])
    memory = np.array(
        [
            [0.6, -0.9, 0.0, 1.6, np.nan],
            [1.4, -1.1, 1.0, 1.0, np.nan],
            [1.0, -2.9, 0.5, 1.0, np.nan],
        ]
    )
    # The third lag passes its target and moves on: a distance of half the target is not close.
    assert learned_steps(memory, k, STEPS).tolist() == [1, 10, np.inf, 10, np.inf]
    both = learned_steps(np.stack([memory, memory[::-1]]), k, STEPS)
    assert both.tolist() == [[1, 10, np.inf, 10, np.inf], [1, np.inf, np.inf, np.inf, np.inf]]


def test_a_lag_that_is_lost_counts_from_its_final_return() -> None:
    memory = np.array([[1.0], [3.0], [1.0]])
    assert learned_steps(memory, np.array([1.0]), STEPS).tolist() == [100]


def row_of(cube: xr.Dataset, lag: int) -> tuple[float, ...]:
    table = lag_table(cube)
    here = (table.architecture == "a") & (table.kernel == "airy") & (table.level == 2)
    (row,) = table[here & (table.lag == lag)][["median", "low", "high"]].to_numpy().tolist()
    return tuple(row)


def test_steps_are_medians_over_the_seeds(cube: xr.Dataset) -> None:
    at = {"architecture": 1, "kernel": 1, "level": 2, "learning_rate": 1}
    assert row_of(cube, 1) == (10, 10, 10)
    cube.memory_over_training[{**at, "seed": 0, "lag": 1}] = 1.0  # from the first step on
    spoil(cube, "diverged", {**at, "seed": 1})
    assert row_of(cube, 1) == (10, 1, np.inf)
    spoil(cube, "diverged", {**at, "seed": 2})
    assert row_of(cube, 1) == (np.inf, 1, np.inf)
    spoil(cube, "absent", {**at, "seed": 1})
    cube.selected_learning_rate[:] = 0.01
    assert row_of(cube, 1) == (np.inf, 1, np.inf)


def test_only_lags_with_enough_energy_count(cube: xr.Dataset) -> None:
    assert len(lag_table(cube)) == 2 * 2 * 3 * 4  # the target is 1 at four lags
    cube.memory_function[{"lag": 4}] = 0.11  # 1.2 % of the energy of a lag with 1
    cube.memory_function[{"lag": 5}] = 0.09  # 0.8 %
    assert sorted(set(lag_table(cube).lag)) == [0, 1, 2, 3, 4]
    cube.weights[{"lag": 4}] = 0.5
    assert sorted(set(lag_table(cube).lag)) == [0, 1, 2, 3]


def test_absent_cells_keep_an_empty_row(cube: xr.Dataset) -> None:
    spoil(cube, "absent", {"architecture": 0, "kernel": 1})
    table = lag_table(cube)
    empty = table[(table.architecture == "b") & (table.kernel == "airy")]
    assert len(empty) == 3
    assert empty["median"].isna().all()


def test_only_the_largest_width_counts() -> None:
    cube = make_cube((8, 16))
    cube.memory_over_training[{"width": 1}] = 0.0
    assert np.isinf(lag_table(cube)["median"]).all()
