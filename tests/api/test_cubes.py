"""What the accessor of a cube answers, against numbers taken from the cube by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import mfbench as mf
from tests.api.results import KERNEL, WIDTH


@pytest.fixture(scope="module")
def cube(results: Path) -> xr.Dataset:
    return mf.open(results / "cubes/benchmark.nc")


def errors(cube: xr.Dataset, architecture: str) -> np.ndarray:
    """Errors over level and seed at the selected learning rates."""
    cell = cube.sel(architecture=architecture, width=WIDTH, kernel=KERNEL).isel(budget=0)
    rates = cell.selected_learning_rate
    found = cell.relative_mse.sel(learning_rate=rates).transpose("level", "seed")
    return np.asarray(found.values)


def test_seeds_count_at_their_selected_rates(cube: xr.Dataset) -> None:
    best = cube.mf.selected().sel(width=WIDTH, kernel=KERNEL)
    for name in ("s4d", "rnn"):
        found = best.relative_mse.sel(architecture=name).transpose("level", "seed")
        np.testing.assert_array_equal(found, errors(cube, name))


def test_a_profile_has_medians_and_limits(cube: xr.Dataset) -> None:
    profile = cube.mf.profile("s4d").sel(kernel=KERNEL)
    found = errors(cube, "s4d")
    np.testing.assert_allclose(profile.error, np.median(found, 1))
    np.testing.assert_allclose(profile.error_low, found.min(1))
    np.testing.assert_allclose(profile.success_rate, (found < 0.1).mean(1))
    assert profile.learned_memory_function.dims == ("level", "lag")
    assert profile.attrs == {"architecture": "s4d", "width": WIDTH}
    with pytest.raises(ValueError, match=r"no architecture 'gru'; it has \['s4d', 'rnn'\]"):
        cube.mf.profile("gru")
    with pytest.raises(ValueError, match=r"s4d has no width 8; it has \[4\]"):
        cube.mf.profile("s4d", width=8)


def test_architectures_are_compared_by_seed(cube: xr.Dataset) -> None:
    found = cube.mf.compare("s4d", "rnn").sel(kernel=KERNEL)
    logs = [np.log10(errors(cube, name)) for name in ("s4d", "rnn")]
    np.testing.assert_allclose(found.log10_ratio, (logs[1] - logs[0]).mean(1))
    assert ((found.low <= found.log10_ratio) & (found.log10_ratio <= found.high)).all()
    back = cube.mf.compare("rnn", "s4d").sel(kernel=KERNEL)
    np.testing.assert_allclose(back.log10_ratio, -found.log10_ratio)
    same = cube.mf.compare("rnn", "rnn")
    assert (same.log10_ratio == 0).all()
    assert not same.differs.any()


def test_boundaries_and_causes_are_in_words(cube: xr.Dataset) -> None:
    boundary = cube.mf.boundary().sel(architecture="s4d", width=WIDTH, kernel=KERNEL)
    assert boundary.censored.item() in {"none", "below", "above"}
    np.testing.assert_array_equal(
        boundary.memory_length, cube.boundary_memory_length.sel(architecture="s4d").squeeze()
    )
    cause = cube.mf.cause().cause
    unsolved = np.median(errors(cube, "rnn"), 1) >= 0.1
    np.testing.assert_array_equal(cause.sel(architecture="rnn").squeeze() != "", unsolved)
    with pytest.raises(ValueError, match="this cube lacks cause, cause_evidence: it was cut"):
        cube.drop_vars(["cause", "cause_evidence"]).mf.cause()


def test_charts_show_the_part_that_is_asked_for(cube: xr.Dataset) -> None:
    for draw in (cube.mf.plot.error, cube.mf.plot.memory, cube.mf.plot.boundary):
        rows = [
            row for data in draw(architecture="rnn").to_dict()["datasets"].values() for row in data
        ]
        assert {row["architecture"] for row in rows if "architecture" in row} == {"rnn"}
    with pytest.raises(ValueError, match=r"the cube has no kernel \['airy'\]"):
        cube.mf.plot.error(kernel="airy")


def test_a_figure_names_the_variable_that_a_reduced_cube_lacks(cube: xr.Dataset) -> None:
    reduced = cube.drop_vars("learned_memory_function")
    with pytest.raises(ValueError, match="no variable 'learned_memory_function'"):
        reduced.mf.plot.memory()
