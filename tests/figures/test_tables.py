"""Tables for figures, by hand."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from mfbench.figures.tables import curve_table, error_table, failed_table, memory_table, rounded
from tests.figures.conftest import make_cube, spoil


def test_errors_are_median_and_range_over_seeds_at_the_selected_rate(cube: xr.Dataset) -> None:
    table = error_table(cube)
    assert len(table) == 2 * 2 * 3
    row = table[(table.architecture == "a") & (table.kernel == "airy") & (table.level == 1)].iloc[0]
    assert (row["low"], row["median"], row["high"]) == pytest.approx((0.04, 0.08, 0.12))
    assert (row.memory_length, row.rho, row.learning_rate) == (8, 5.0, "0.01")
    assert (row.diverged, row.members) == (0, 6)
    cube.selected_learning_rate[{"seed": 2}] = 0.003  # there its errors are five times as large
    row = error_table(cube).loc[row.name]
    assert (row["low"], row["median"], row["high"]) == pytest.approx((0.04, 0.08, 0.6))
    assert row.learning_rate == "0.003 to 0.01"


def test_a_diverged_member_counts_as_infinite(cube: xr.Dataset) -> None:
    at = {"architecture": 1, "width": 0, "kernel": 0, "level": 0, "learning_rate": 1}
    cube.status[{**at, "seed": 0}] = "diverged"
    cube.relative_mse[{**at, "seed": 0}] = np.nan
    table = error_table(cube)
    row = table[
        (table.architecture == "a") & (table.kernel == "impulse") & (table.level == 0)
    ].iloc[0]
    # Errors of 0.02, 0.03 and infinity: the median moves up, the worst seed is NaN.
    assert row["median"] == pytest.approx(0.03)
    assert np.isnan(row["high"])
    assert row.diverged == 1
    cube.status[{**at, "seed": 1}] = "diverged"
    row = error_table(cube).iloc[table.index.get_loc(row.name)]
    assert np.isnan(row["median"])
    assert row.diverged == 2


def test_absent_cells_have_no_row(cube: xr.Dataset) -> None:
    cube.status[{"architecture": 0, "kernel": 1}] = "absent"
    table = error_table(cube)
    assert len(table) == 2 * 2 * 3 - 3
    assert not len(table[(table.architecture == "b") & (table.kernel == "airy")])


def test_failed_cells_have_no_row_among_errors_but_one_in_their_own_table(
    cube: xr.Dataset,
) -> None:
    assert failed_table(cube).empty
    spoil(cube, "failed", {"architecture": 0, "kernel": 1, "level": 2})
    table = error_table(cube)
    assert len(table) == 2 * 2 * 3 - 1
    assert not len(table[(table.architecture == "b") & (table.memory_length == 16)][1:])
    assert table.diverged.sum() == 0
    assert failed_table(cube).to_dict("records") == [
        {
            "architecture": "b",
            "width": 8,
            "kernel": "airy",
            "level": 2,
            "rho": 13.0,
            "memory_length": 16.0,
        }
    ]


def test_panels_without_data_keep_an_empty_row(cube: xr.Dataset) -> None:
    cube.learned_memory_function[{"architecture": 0, "kernel": 1, "level": 2}] = np.nan
    table = memory_table(cube)
    empty = table[(table.architecture == "b") & (table.kernel == "airy") & (table.level == 2)]
    assert len(empty) == 1
    assert empty["median"].isna().all()
    assert len(table) == 2 * 2 * 3 * 32 - 31


def test_the_table_has_what_the_state_holds_for_the_target(cube: xr.Dataset) -> None:
    def held(cube: xr.Dataset) -> float:
        table = memory_table(cube)
        assert table[table.architecture == "a"].held.isna().all()
        here = (table.architecture == "b") & (table.kernel == "airy") & (table.level == 2)
        return float(table[here].held.sum())

    assert held(cube) == 5
    cube["marked_memory_capacity"] = 1.5 * cube.memory_capacity * (cube.lag < 2)
    assert held(cube) == 2
    cube = cube.drop_vars(["memory_capacity", "marked_memory_capacity"])
    assert memory_table(cube).held.isna().all()


def test_details_are_shown_at_the_largest_width_only() -> None:
    cube = make_cube((8, 16))
    cube.learned_memory_function[{"width": 1}] = 7.0
    assert set(memory_table(cube)["median"]) == {7.0}
    assert len(curve_table(cube)) == 2 * 2 * 3 * 3
    assert len(error_table(cube)) == 2 * 2 * 2 * 3


def test_rounding_keeps_significant_digits_and_drops_infinite_values() -> None:
    import pandas as pd

    table = pd.DataFrame({"v": [123456.0, 0.000123456, np.nan, np.inf]})
    values = rounded(table, "v", digits=3)["v"]
    assert values[:2].tolist() == [123000.0, 0.000123]
    assert values[2:].isna().all()
