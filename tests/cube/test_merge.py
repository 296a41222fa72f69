"""Cubes put together."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from mfbench.cube.failure_boundaries import boundary_variables
from mfbench.cube.merge import merge_cubes
from mfbench.cube.read import open_benchmark
from mfbench.cube.select import longest
from mfbench.figures.export import draw
from mfbench.figures.order import FIGURES
from mfbench.report.page import write_report
from tests.cube.evaluations import STUDY, assemble, edit, make_group, whole_study
from tests.figures.conftest import make_cube

Change = Callable[[xr.Dataset], Any]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The cube of the study, and a.nc and b.nc with one architecture each."""
    folder = tmp_path_factory.mktemp("made")
    paths = whole_study(folder)
    for name in ("a", "b"):
        study = {**STUDY, "architectures": {name: STUDY["architectures"][name]}, "name": name}
        files = [path for path in paths if path.stem[0] == name]
        assemble(folder / f"{name}.nc", files, architectures=[name], study=study)
    assemble(folder / "cube.nc", paths, partial=False)
    return folder


@pytest.fixture
def whole(made: Path) -> xr.Dataset:
    """The cube of the study."""
    return open_benchmark(made / "cube.nc")


def merged(folder: Path, *names: str) -> xr.Dataset:
    merge_cubes([folder / f"{name}.nc" for name in names], folder / "all.nc")
    return open_benchmark(folder / "all.nc")


def save(folder: Path, name: str, cube: xr.Dataset, **settings: Any) -> None:
    """Save a cube, with some settings replaced."""
    found = json.loads(cube.attrs["settings"])
    for section, changes in settings.items():
        found[section] = found[section] | changes if isinstance(changes, dict) else changes
    cube.assign_attrs(settings=json.dumps(found)).to_netcdf(folder / f"{name}.nc")


def test_the_parts_of_a_study_make_its_cube(made: Path, whole: xr.Dataset) -> None:
    cube = merged(made, "b", "a")
    settings, sources = (json.loads(cube.attrs.pop(name)) for name in ("settings", "sources"))
    for name in ("settings", "title", "history"):
        whole.attrs.pop(name)
        cube.attrs.pop(name, None)
    xr.testing.assert_identical(cube, whole)
    assert settings == {**json.loads(json.dumps(STUDY)), "name": "b + a"} | {
        "architectures": {n: {**e, "training": {}} for n, e in STUDY["architectures"].items()}
    }
    assert [source["file"] for source in sources] == ["b.nc", "a.nc"]
    for source, name in zip(sources, "ba", strict=True):
        assert json.loads(source["settings"])["name"] == name
        assert {"git_commit", "package_versions", "history", "seeds"} <= set(source)


def test_a_merged_cube_is_merged_again(whole: xr.Dataset, tmp_path: Path) -> None:
    parts = [whole.sel(kernel=["airy"]), whole.sel(kernel=["impulse"], architecture=["a"])]
    for name, part in zip("xy", [*parts], strict=True):
        save(tmp_path, name, part)
    merged(tmp_path, "x", "y")
    (tmp_path / "all.nc").rename(tmp_path / "first.nc")
    save(tmp_path, "z", whole.sel(kernel=["impulse"], architecture=["b"]))
    cube = merged(tmp_path, "first", "z")
    assert [s["file"] for s in json.loads(cube.attrs["sources"])] == ["x.nc", "y.nc", "z.nc"]
    order = {"architecture": whole.architecture, "kernel": whole.kernel}
    xr.testing.assert_equal(cube.sel(order), whole)


def test_a_kernel_that_is_another_one_in_another_cube_is_refused(tmp_path: Path) -> None:
    assemble(tmp_path / "one.nc", [make_group(tmp_path, "a", 4, "airy")])
    other = make_group(tmp_path, "b", 4, "airy")
    edit(other, lambda g: g.assign(memory_function=2 * g.memory_function))
    assemble(tmp_path / "two.nc", [other])
    expected = r"one\.nc and .*two\.nc have different memory functions for airy, rho = 0\.5"
    with pytest.raises(ValueError, match=expected):
        merged(tmp_path, "one", "two")


def test_levels_are_numbered_by_memory_length_and_boundaries_follow(tmp_path: Path) -> None:
    coarse, fine = (make_group(tmp_path / name, "a", 4, "airy") for name in "cf")
    edit(fine, lambda g: g.assign(rho=g.rho + 0.25, memory_length=g.memory_length + 0.5))
    for path in (coarse, fine):  # solved at the easiest level only
        edit(path, lambda g: g.assign(relative_mse=g.relative_mse * 0 + g.rho / 10))
    study = copy.deepcopy(STUDY)
    study["kernels"]["airy"] = [{"rho": r + 0.25, "memory_length": 2**r + 0.5} for r in (0.5, 1.5)]
    one = assemble(tmp_path / "one.nc", [coarse, make_group(tmp_path, "b", 4, "airy")])
    assemble(tmp_path / "two.nc", [fine], study=study)
    cube = merged(tmp_path, "one", "two")
    airy = longest(cube).sel(width=4, kernel="airy")
    assert airy.rho.values.tolist() == [0.5, 0.75, 1.5, 1.75, 2.5, 2.75]
    assert airy.memory_length.values.tolist() == [1, 1.5, 2, 2.5, 4, 4.5]
    assert airy.level.values.tolist() == list(range(6))
    present = (airy.status == "ok").all(["learning_rate", "seed"])
    assert present.sel(architecture="a").all()
    assert present.sel(architecture="b").values.tolist() == [True, False] * 3
    np.testing.assert_allclose(airy.relative_mse.sel(architecture="a")[:, 0, 0], airy.rho / 10)
    assert float(airy.boundary_rho.sel(architecture="a")) != float(
        longest(one).boundary_rho.sel(architecture="a", width=4, kernel="airy")
    )
    boundaries = boundary_variables(cube)
    xr.testing.assert_equal(cube[list(boundaries)].reset_coords(drop=True), boundaries)


def test_boundaries_of_a_cube_are_kept_unless_success_is_another(
    whole: xr.Dataset, tmp_path: Path
) -> None:
    whole["boundary_rho"] = xr.full_like(whole.boundary_rho, 77.0)
    for name in ("a", "b"):
        save(tmp_path, name, whole.sel(architecture=[name]))
    present = (whole.status != "absent").any(["level", "learning_rate", "seed"])
    np.testing.assert_array_equal(merged(tmp_path, "b", "a").boundary_rho == 77, present)
    save(tmp_path, "b", whole.sel(architecture=["b"]), evaluation={"success": 0.2})
    found = merged(tmp_path, "a", "b").boundary_rho
    assert (found.sel(architecture="a") == 77).all()
    assert not (found.sel(architecture="b") == 77).any()
    save(tmp_path, "a", whole.sel(architecture=["a"])[["status", "relative_mse", "weights"]])
    save(tmp_path, "b", whole.sel(architecture=["b"]))
    with pytest.raises(ValueError, match=r"a\.nc cannot be merged, it lacks \['selected_learning"):
        merged(tmp_path, "a", "b")


def test_a_cell_in_two_cubes_must_have_the_same_numbers(whole: xr.Dataset, tmp_path: Path) -> None:
    save(tmp_path, "x", whole.isel(seed=[0, 1]))
    save(tmp_path, "y", whole.isel(architecture=[1], width=[0]))
    message = (
        r"x\.nc lacks a member of a, width 4, impulse, rho = 0\.5 that .*y\.nc has, with "
        r"budget = 10, learning_rate = 0\.003, seed = 2"
    )
    with pytest.raises(ValueError, match=message):
        merged(tmp_path, "x", "y")
    whole["seconds"] = 0 * whole.relative_mse + 1
    save(tmp_path, "x", whole)
    changed = whole.assign(seconds=1.1 * whole.seconds)  # times of runs are no results
    save(tmp_path, "y", changed)
    xr.testing.assert_equal(merged(tmp_path, "x", "y"), whole)
    changed.learned_memory_function[1, 0, 1, 2, 0, 1, 2, 3] += 1e-9
    save(tmp_path, "y", changed)
    message = (
        r"different numbers for a, width 4, airy, rho = 2\.5: learned_memory_function at "
        r"budget = 10, learning_rate = 0\.01, seed = 2, lag = 3 is (\S+) and "
    )
    with pytest.raises(ValueError, match=message):
        merged(tmp_path, "x", "y")


def test_cubes_of_other_budgets_are_merged(whole: xr.Dataset, tmp_path: Path) -> None:
    save(tmp_path, "a", whole.sel(architecture=["a"]))
    other = whole.sel(architecture=["b"]).assign_coords(budget=[20])
    save(tmp_path, "b", other, training={"steps": [20]})
    cube = merged(tmp_path, "a", "b")
    settings = json.loads(cube.attrs["settings"])
    assert settings["training"]["steps"] == cube.budget.values.tolist() == [10, 20]
    there = (cube.status == "ok").any(["width", "kernel", "level", "learning_rate", "seed"])
    assert there.values.tolist() == [[True, False], [False, True]]
    for name, part in {"a": whole, "b": other}.items():
        found = cube.sel(architecture=name, budget=part.budget)
        for variable in boundary_variables(part):
            xr.testing.assert_equal(found[variable], part[variable].sel(architecture=name))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"task": {"seed": 1}}, r"b\.nc and .*a\.nc have different tasks: seed = 1, not 0"),
        ({"task": {"delay": 3}}, r"a\.nc have different tasks: delay = 3, not None"),
        (
            {"architectures": {"a": {"widths": [4], "layers": 2}}},
            r"architecture a differs between .*b\.nc and an earlier cube: layers = 2, not None",
        ),
        (
            {"training": {"batch_size": 20}},
            r"architecture a differs between .* and an earlier cube: training\.batch_size = 20,",
        ),
    ],
)
def test_what_does_not_go_together_is_refused_with_the_difference(
    whole: xr.Dataset, tmp_path: Path, settings: dict[str, Any], message: str
) -> None:
    save(tmp_path, "a", whole.sel(architecture=["a"], width=[4]))
    save(tmp_path, "b", whole.sel(architecture=["a"], width=[8]), **settings)
    with pytest.raises(ValueError, match=message):
        merged(tmp_path, "a", "b")


def test_architectures_may_be_trained_in_other_ways(whole: xr.Dataset, tmp_path: Path) -> None:
    save(tmp_path, "a", whole.sel(architecture=["a"]))
    other = whole.sel(architecture=["b"]).assign_coords(seed=[3, 4, 5])
    save(tmp_path, "b", other, training={"batch_size": 20, "seeds": [3, 4, 5]})
    cube = merged(tmp_path, "a", "b")
    settings = json.loads(cube.attrs["settings"])
    assert settings["training"]["seeds"] == cube.seed.values.tolist() == [0, 1, 2, 3, 4, 5]
    assert settings["training"]["batch_size"] == 10
    assert settings["architectures"]["b"]["training"] == {"batch_size": 20}
    there = (longest(cube).status == "ok").any(["width", "kernel", "level", "learning_rate"])
    assert there.values.tolist() == [[True] * 3 + [False] * 3, [False] * 3 + [True] * 3]


def test_figures_and_report_are_made_of_a_merged_cube(tmp_path: Path) -> None:
    cube = make_cube()
    cube["linear"] = ("architecture", "width"), np.zeros((2, 1))
    of_members = [name for name in cube.data_vars if "seed" in cube[name].dims]
    cube = cube.assign({name: cube[name].expand_dims(budget=[100]) for name in of_members})
    for name in ("b", "a"):
        cube.sel(architecture=[name]).to_netcdf(tmp_path / f"{name}.nc")
    found = merged(tmp_path, "b", "a")
    assert {name: draw(name, found) for name in FIGURES}
    write_report(tmp_path / "report.html", cube=found, figures={})
    assert "known" in (tmp_path / "report.html").read_text()


def test_attributes_may_be_long(whole: xr.Dataset, tmp_path: Path) -> None:
    """Settings of hundreds of architectures are larger than a header of HDF5."""
    many = {f"x{i:04d}": {"widths": [4], "comment": "." * 200} for i in range(500)}
    save(tmp_path, "a", whole.sel(architecture=["a"]), architectures=many)
    save(tmp_path, "b", whole.sel(architecture=["b"]), architectures=many)
    assert len(merged(tmp_path, "a", "b").attrs["sources"]) > 200_000
