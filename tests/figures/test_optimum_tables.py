"""Tables of error parts and distances to the optimum, by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from mfbench.figures.optimum_tables import optimum_table, part_table
from mfbench.figures.tables import error_table
from tests.figures.conftest import make_cube, spoil


def parts_of(cube: xr.Dataset, architecture: str, level: int) -> pd.DataFrame:
    table = part_table(cube)
    table = table[(table.architecture == architecture) & (table.kernel == "airy")]
    return table[table.level == level].set_index("part")


def test_parts_are_clipped_medians_over_seeds_and_shares_of_their_sum(
    cube: xr.Dataset,
) -> None:
    parts = parts_of(cube, "b", 1)
    assert parts.loc["wrong memory function", "value"] == pytest.approx(0.9 * 0.08)
    assert parts.loc["nonlinear residual", "share"] == pytest.approx(0.1)
    assert parts.loc["bias", "value"] == 0  # an estimate of -1e-6
    assert parts.share.sum() == pytest.approx(1)
    assert set(parts["median"]) == {error_table(cube)["median"].iloc[1]}
    assert set(parts.seeds) == {3}
    # The upper floor of b is half of the error, that of a is 0.
    assert parts.floor_share.tolist() == pytest.approx([0.5] * 4)
    assert set(parts_of(cube, "a", 1).floor_share) == {0}


def test_a_floor_above_the_error_has_a_share_of_one(cube: xr.Dataset) -> None:
    cube.upper_floor[{"architecture": 0, "kernel": 1, "level": 1}] = 0.5
    assert set(parts_of(cube, "b", 1).floor_share) == {1.0}


def test_diverged_seeds_have_no_parts(cube: xr.Dataset) -> None:
    at = {"architecture": 0, "kernel": 1, "level": 1, "learning_rate": 1}
    spoil(cube, "diverged", {**at, "seed": 0})
    spoil(cube, "diverged", {**at, "seed": 1})
    parts = parts_of(cube, "b", 1)
    assert set(parts.seeds) == {1}
    assert parts.loc["wrong memory function", "value"] == pytest.approx(0.9 * 0.12)
    assert parts["median"].isna().all()  # half of the errors are infinite
    spoil(cube, "diverged", {**at, "seed": 2})
    parts = parts_of(cube, "b", 1)
    assert len(parts) == 4
    assert parts[["value", "share", "floor_share"]].isna().all(axis=None)
    spoil(cube, "absent", at)
    spoil(cube, "absent", {**at, "learning_rate": 0})
    assert len(parts_of(cube, "b", 1)) == 1  # an empty row for the panel


def test_floor_and_optimisation_part_add_up_to_the_error(cube: xr.Dataset) -> None:
    spoil(cube, "absent", {"architecture": 1, "kernel": 0})
    table = optimum_table(cube)
    assert len(table) == 2 * 2 * 3 - 3
    assert np.allclose(table.error, np.log10(table["median"]))
    with_floor = table[table.architecture == "b"]
    assert np.allclose(with_floor.approximation, np.log10(with_floor["median"] / 2))
    assert np.allclose(with_floor.optimisation, np.log10(2))
    without = table[table.architecture == "a"]
    assert (without.approximation == -np.inf).all()
    assert (without.floor == -6).all()
    assert np.allclose(table.standard_error, 0.01 * table["median"])
    assert table.solved.tolist() == (table["median"] < 0.1).tolist()


def test_the_optimum_is_infinitely_far_if_half_of_the_seeds_diverged(cube: xr.Dataset) -> None:
    at = {"architecture": 0, "kernel": 1, "level": 0, "learning_rate": 1}
    for seed, expected in ((0, np.log10(3)), (1, np.inf), (2, np.inf)):
        spoil(cube, "diverged", {**at, "seed": seed})
        table = optimum_table(cube).set_index(["architecture", "kernel", "level"])
        # Errors of 0.02, 0.03 and infinity over a floor of 0.01: the median is 0.03.
        assert table.loc[("b", "airy", 0), "optimisation"] == pytest.approx(expected)
    assert not table.loc[("b", "airy", 0), "solved"]


def test_all_widths_have_distances_and_only_the_largest_has_parts() -> None:
    cube = make_cube((8, 16))
    assert len(optimum_table(cube)) == 2 * 2 * 2 * 3
    cube.kernel_error[{"width": 1}] = 7.0
    table = part_table(cube)
    assert set(table[table.part == "wrong memory function"].value) == {7.0}
