"""Reading cells from a cube, matching and comparing them."""

from __future__ import annotations

import json

import numpy as np
import pytest
import xarray as xr

from mfbench.predictions.cells import cells, count, decades, require
from mfbench.predictions.verdict import NotDecidedError
from tests.predictions.cubes import Member, make_cube, study_of

STUDY = study_of(
    kernels={"impulse": {"rho": [3, 5]}, "airy": {"memory_length": [6]}},
    architectures={
        "one": {"model": "s4d", "widths": [2, 4], "options": {"state": 4}},
        "two": {"model": "s4d", "widths": [2], "options": {"state": 6}},
    },
    training={"learning_rates": [0.01, 0.1], "seeds": [0, 1, 2]},
)


def error(m: Member) -> float:
    """The larger rate is better; seed 2 diverges at width 4; seed 1 is missing on airy."""
    if m.width == 4 and m.seed == 2:
        return np.inf
    if m.kernel == "airy" and m.seed == 1:
        return np.nan
    return m.rate**-1 * 1e-4 * (m.seed + 1)


@pytest.fixture(scope="module")
def cube() -> xr.Dataset:
    return make_cube(STUDY, error)


def test_a_cell_describes_its_model_and_task(cube: xr.Dataset) -> None:
    found = cells(cube)
    assert len(found) == 3 * 3  # airy has one level, and architecture two has one width
    last = found[-1]
    assert (last.model, last.options["state"], last.width) == ("s4d", 6, 2)
    assert (last.kernel, last.memory_length, last.length) == ("airy", 6, 64)
    assert last.state_size == 12
    assert np.isnan(last.receptive_field)
    assert not last.linear  # s4d has an activation
    assert (last.k**2).sum() == pytest.approx(1)
    assert last.training["seeds"] == [0, 1, 2]


def test_predictions_say_nothing_about_marked_tasks(cube: xr.Dataset) -> None:
    settings = json.loads(cube.attrs["settings"])
    settings["task"]["marked"] = 0.5
    assert cells(cube.assign_attrs(settings=json.dumps(settings))) == []


def test_errors_belong_to_the_selected_rate_and_include_diverged_runs(cube: xr.Dataset) -> None:
    by = {(c.architecture, c.width, c.kernel, c.rho): c for c in cells(cube)}
    assert by["one", 4, "impulse", 3].seeds == pytest.approx({0: 1e-3, 1: 2e-3, 2: np.inf})
    airy = next(c for k, c in by.items() if k[:3] == ("one", 2, "airy"))
    assert airy.seeds == pytest.approx({0: 1e-3, 2: 3e-3})
    assert set(by["one", 4, "impulse", 3].per_seed("learned_memory_function")) == {0, 1}
    with pytest.raises(NotDecidedError, match="the cube has no nonsense"):
        airy.per_seed("nonsense")
    wide = [c for c in by.values() if c.width == 4]
    assert count(wide) == {"runs": 8, "diverged": 3}
    assert count(wide, all_rates=True) == {"runs": 16, "diverged": 6}


def test_each_seed_has_a_rate_of_its_own() -> None:
    cube = make_cube(STUDY, error)
    rates = cube.selected_learning_rate.expand_dims(seed=cube.seed).copy()
    rates[{"seed": 0}] = 0.01
    cell = cells(cube.assign(selected_learning_rate=rates))[0]
    assert cell.seeds == pytest.approx({0: 1e-2, 1: 2e-3, 2: 3e-3})
    memory = cell.data.learned_memory_function
    np.testing.assert_array_equal(
        cell.per_seed("learned_memory_function")[0], memory.sel(learning_rate=0.01, seed=0)
    )


def test_names_do_not_matter(cube: xr.Dataset) -> None:
    renamed = make_cube(
        study_of(
            kernels=STUDY.model_dump(exclude_none=True)["kernels"],
            architectures={"anything": {"model": "s4d", "widths": [2], "options": {"state": 4}}},
            name="elsewhere",
        ),
        error,
    )
    ours, theirs = cells(cube)[0], cells(renamed)[0]
    assert (ours.what, ours.on) == (theirs.what, theirs.on)
    assert ours.what != cells(cube)[-1].what
    assert ours.same_but("state") == cells(cube)[-1].same_but("state")


def test_decades_are_clipped_at_both_ends() -> None:
    np.testing.assert_allclose(decades([np.inf, 1e4, 0.1, 1e-12]), [1, 1, -1, -8])


def test_a_cell_learned_if_its_median_run_solves_the_task(cube: xr.Dataset) -> None:
    assert [c.learned for c in cells(cube) if c.width == 4] == [True, True, False]  # airy: 1 of 2
    half = make_cube(STUDY, lambda m: 0.01 if m.seed < 1 else np.inf if m.seed < 2 else 0.11)
    assert not any(c.learned for c in cells(half))


def test_an_error_that_is_no_number_is_no_result(cube: xr.Dataset) -> None:
    broken = cube.copy(deep=True)
    broken.relative_mse[{"architecture": 0, "width": 0, "kernel": 0, "level": 0, "seed": 1}] = (
        np.nan
    )
    assert set(cells(broken)[0].seeds) == {0, 2}
    assert count(cells(broken)[:1], all_rates=True)["runs"] == 4


def test_too_few_seeds_decide_nothing(cube: xr.Dataset) -> None:
    airy = [c for c in cells(cube) if c.kernel == "airy"]
    with pytest.raises(NotDecidedError, match="at least 3 seeds, found 2: oars"):
        require(airy, "oars")
    with pytest.raises(NotDecidedError, match="the study has no oars"):
        require([], "oars")
    assert len(require(cells(cube), "oars")) == 6


def test_a_cube_without_settings_is_refused(cube: xr.Dataset) -> None:
    with pytest.raises(ValueError, match="attribute 'settings' is missing"):
        cells(cube.drop_attrs())


def test_failed_cells_are_left_out(cube: xr.Dataset) -> None:
    broken = cube.copy(deep=True)
    at = {"architecture": 0, "width": 0, "kernel": 0, "level": 0}
    broken.status[at] = "failed"
    broken.relative_mse[at] = np.nan
    broken.selected_learning_rate[at] = np.nan
    before, after = cells(cube), cells(broken)
    assert len(after) == len(before) - 1
    assert (before[0].architecture, before[0].width, before[0].rho) == ("one", 2, 3)
    assert (after[0].architecture, after[0].width, after[0].rho) == ("one", 2, 5)
    assert count(after, all_rates=True)["diverged"] == count(before, all_rates=True)["diverged"]
    assert count(after)["runs"] == count(before)["runs"] - 3
