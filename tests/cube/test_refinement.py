"""Which levels a second phase adds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from mfbench.cube.refinement import added_lengths, refined_levels
from mfbench.tasks.kernels import (
    memory_function,
    memory_length,
    rho_for_memory_length,
    window_weights,
)
from tests.figures.conftest import make_cube, spoil, with_boundaries


@pytest.fixture
def cube() -> xr.Dataset:
    """Boundaries between M99 = 4 and 16 for all groups."""
    return make_cube()


def by_group(entries: list[dict[str, Any]]) -> dict[tuple[str, str], list[int]]:
    return {
        (e["architecture"], e["kernel"]): [level["memory_length"] for level in e["levels"]]
        for e in entries
    }


def test_lengths_lie_evenly_in_log_between_the_ends() -> None:
    assert added_lengths(16, 256, [16, 256], count=3) == [32, 64, 128]
    assert added_lengths(4, 16, [4, 8, 16], count=3) == [6, 9, 11]  # 5.7, 8 (taken) and 11.3
    assert added_lengths(4, 8, [4, 8], count=10) == [5, 6, 7]
    assert added_lengths(4, 5, [4, 5], count=4) == []
    assert added_lengths(4, 4, [4], count=4) == []


@given(
    st.lists(st.integers(1, 60), min_size=2, max_size=6, unique=True).map(sorted),
    st.integers(1, 6),
)
def test_lengths_are_new_distinct_and_within(present: list[int], count: int) -> None:
    chosen = added_lengths(present[0], present[-1], present, count=count)
    free = set(range(present[0] + 1, present[-1])) - set(present)
    assert chosen == sorted(set(chosen))
    assert set(chosen) <= free
    assert len(chosen) == min(count, len(free))  # as many as there is room for


def test_levels_are_solved_to_rho_and_within_the_interval(cube: xr.Dataset) -> None:
    entries = refined_levels(cube, levels=3)
    weights = window_weights(32, 16)
    assert len(entries) == 4
    for entry in entries:
        here = cube.sel({k: entry[k] for k in ("architecture", "width", "kernel")})
        lengths = [level["memory_length"] for level in entry["levels"]]
        assert lengths == sorted(lengths)
        assert len(lengths) == 3
        assert not set(lengths) & {4, 8, 16}
        for level in entry["levels"]:
            assert here.boundary_memory_length_low < level["memory_length"]
            assert level["memory_length"] < here.boundary_memory_length_high
            k = memory_function(entry["kernel"], float(level["rho"]), 32, weights)
            assert memory_length(k, weights) == level["memory_length"]


def test_the_list_is_sorted_and_plain(cube: xr.Dataset) -> None:
    entries = refined_levels(cube, levels=2)
    assert list(by_group(entries)) == [(a, k) for a in "ab" for k in ("airy", "impulse")]
    assert json.loads(json.dumps(entries)) == entries


def test_nothing_is_added_where_the_boundary_is_off_the_grid(cube: xr.Dataset) -> None:
    cube.relative_mse[{"architecture": 0, "kernel": 0}] = 1.0  # fails throughout
    cube.relative_mse[{"architecture": 0, "kernel": 1}] = 0.0  # succeeds throughout
    assert set(by_group(refined_levels(with_boundaries(cube), levels=2))) == {
        ("a", "airy"),
        ("a", "impulse"),
    }


def test_an_interval_that_leaves_the_grid_is_searched_up_to_its_end(cube: xr.Dataset) -> None:
    # Two of three succeed at the easiest level: the boundary is past it, but maybe it is not.
    cube.relative_mse[{"level": 0, "seed": 0}] = 1.0
    cube = with_boundaries(cube)
    assert (cube.boundary_memory_length_low == -np.inf).all()
    lengths = by_group(refined_levels(cube, levels=20))["a", "impulse"]
    high = int(cube.boundary_memory_length_high[0, 0, 0])
    assert lengths == [m for m in range(5, high) if m != 8]


def test_levels_of_others_do_not_count_as_ones_own(cube: xr.Dataset) -> None:
    at = {"architecture": 1, "level": 1}
    cube.status[at] = "absent"
    cube.relative_mse[at] = np.nan
    found = by_group(refined_levels(with_boundaries(cube), levels=1))
    assert found["a", "impulse"] == [8]  # the middle of 4 and 16
    assert found["b", "impulse"] != [8]


def test_a_memory_length_that_a_family_cannot_have_is_skipped(cube: xr.Dataset) -> None:
    # An impulse may sit on the last but one of 32 lags.
    cube["memory_length"] = cube.memory_length.copy(data=[[27.0, 29.0, 32.0]] * 2)
    found = by_group(refined_levels(with_boundaries(cube), levels=20))
    assert found["a", "impulse"] == [28, 30, 31]
    assert found["a", "airy"] == [28, 30]
    with pytest.raises(ValueError, match="airy cannot have memory_length = 31"):
        rho_for_memory_length("airy", 31, 32, window_weights(32, 16))


def test_levels_of_a_kernel_of_ones_own(cube: xr.Dataset, tmp_path: Path) -> None:
    np.save(tmp_path / "mine.npy", np.eye(32)[[3, 8, 9, 15]])
    settings = json.loads(cube.attrs["settings"])
    settings["kernels"]["impulse"][0]["family"] = f"{tmp_path}/mine.npy"
    cube.attrs["settings"] = json.dumps(settings)
    (entry, _) = (e for e in refined_levels(cube, levels=20) if e["kernel"] == "impulse")
    assert entry["levels"] == [
        {"memory_length": 9, "rho": 1.0},  # only rows of the file can be added
        {"memory_length": 10, "rho": 2.0},
    ]


def test_a_level_that_failed_is_not_added_again(cube: xr.Dataset) -> None:
    spoil(cube, "failed", {"architecture": 1, "level": 1})
    found = by_group(refined_levels(with_boundaries(cube), levels=20))
    assert found["a", "impulse"] == [5, 6, 7, *range(9, 16)]  # 4 and 16 are the only trials


def test_added_levels_run_at_the_rates_that_a_pilot_kept(cube: xr.Dataset) -> None:
    assert all("runs" not in level for e in refined_levels(cube, levels=1) for level in e["levels"])
    there = cube.learning_rate == cube.learning_rate[0]
    words = cube.status.where(there | (cube.architecture != "a"), "absent")
    rates = {
        e["architecture"]: {rate for level in e["levels"] for _, rate, _ in level.get("runs", [])}
        for e in refined_levels(cube.assign(status=words), levels=1)
    }
    assert rates["a"] == {float(cube.learning_rate[0])}
    assert not any(found for name, found in rates.items() if name != "a")
