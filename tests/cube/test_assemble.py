"""The cube that is written one architecture at a time."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from mfbench.cube.assemble import assemble_cube
from mfbench.cube.failure_boundaries import boundary_variables
from mfbench.cube.merge import merge_cubes
from mfbench.cube.read import open_benchmark
from mfbench.cube.select import failed, longest, selected, trained
from mfbench.files import BrokenFileError, OtherFileError
from tests.cube.evaluations import (
    RATES,
    SEEDS,
    STUDY,
    assemble,
    edit,
    fail,
    make_baselines,
    make_group,
    whole_study,
)


def changed_study(**sections: Any) -> dict[str, Any]:
    """The study with some keys of its sections replaced."""
    study = copy.deepcopy(STUDY)
    for name, changes in sections.items():
        study[name] = {**study[name], **changes}
    return study


def with_texts(group: xr.Dataset) -> xr.Dataset:
    texts = [f"{group.attrs['width']} {group.attrs['kernel']} {i}" for i in group.level.values]
    return group.assign(message=("level", np.array(texts, dtype=object), group.message.attrs))


BY_WIDTH = ("parameters", "state_size", "receptive_field", "linear")


@pytest.mark.parametrize("whole", [True, False])
def test_every_number_of_every_file_stands_in_its_place(tmp_path: Path, *, whole: bool) -> None:
    paths = whole_study(tmp_path)
    for path in paths:
        edit(path, with_texts)
    if not whole:
        paths.pop()
        edit(paths[-1], lambda g: g.assign_coords(step=("step", [1, 7], g.step.attrs)))
        fail(paths[1], 1, "a text that is longer than all others")
    cube = assemble(tmp_path / "cube.nc", paths[::-1], partial=not whole)
    there = numbers = 0
    for path in paths:
        with xr.open_dataset(path, mask_and_scale=False) as file:
            group = file.load()
        of = {"architecture": "architecture_name", "width": "width", "kernel": "kernel"}
        cell = cube.sel({name: group.attrs[attribute] for name, attribute in of.items()})
        levels = [cell.rho.values.tolist().index(rho) for rho in group.rho.values.tolist()]
        there += int((group.status != 0).sum())
        numbers += int(group.relative_mse.count())
        for name, expected in group.data_vars.items():
            found = cell[name]
            if name == "weights" or name in BY_WIDTH:  # the same at every level
                found = found.expand_dims(level=levels)
            else:
                found = found.isel(level=levels)
            if "step" in found.dims:
                found = found.sel(step=group.step)
            np.testing.assert_array_equal(found.transpose(*expected.dims), expected, str(name))
    assert int((cube.status != 0).sum()) == there
    assert int(cube.relative_mse.count()) == numbers
    assert ("partial" in cube.title) == (not whole)
    for name in ("Conventions", "git_commit", "package_versions", "settings", "seeds"):
        assert name in cube.attrs
    assert all("long_name" in variable.attrs for variable in cube.variables.values())
    assert cube.memory_over_training.dtype == np.float32  # the largest variable stays small
    assert cube.status.dtype == np.int8
    assert cube.status.attrs["flag_meanings"] == "absent ok diverged failed"
    assert cube.status.attrs["flag_values"].tolist() == [0, 1, 2, 3]
    boundaries = boundary_variables(open_benchmark(tmp_path / "cube.nc"))
    xr.testing.assert_equal(cube[list(boundaries)].reset_coords(drop=True), boundaries)


def test_what_is_missing_is_absent(tmp_path: Path) -> None:
    cube = assemble(tmp_path / "cube.nc", [make_group(tmp_path, "a", 4, "impulse")])
    assert cube.architecture.values.tolist() == ["b", "a"]
    assert cube.width.values.tolist() == [4, 8]
    assert cube.rho.sel(kernel="airy").values.tolist() == [0.5, 1.5, 2.5]
    assert np.isnan(cube.rho.sel(kernel="impulse", level=2))
    at = {"architecture": "a", "width": 4, "kernel": "impulse", "level": [0, 1]}
    assert (cube.status.sel(at) == 1).all()
    assert int((cube.status != 0).sum()) == 2 * len(RATES) * len(SEEDS)
    assert int(cube.relative_mse.count()) == 2 * len(RATES) * len(SEEDS)
    flags = cube.boundary_censored.attrs
    assert flags["flag_meanings"].split()[3] == "absent"
    assert flags["flag_values"].tolist() == [0, 1, 2, 3]
    assert int((cube.boundary_censored != 3).sum()) == 1


def test_baselines_stand_beside_the_models_of_their_task_and_size(tmp_path: Path) -> None:
    paths = whole_study(tmp_path)  # widths are state sizes
    assert "ridge_error" not in assemble(tmp_path / "cube.nc", paths)
    files = [make_baselines(tmp_path, "airy", rho, {4: 0.1 + rho}) for rho in (0.5, 2.5)]
    files.append(make_baselines(tmp_path, "exponential", 0.5, {}))  # no longer in the study
    cube = assemble(tmp_path / "cube.nc", paths, baselines=files)
    ridge = cube.ridge_error.transpose("kernel", "level")
    np.testing.assert_equal(ridge.values, [[np.nan] * 3, [0.5, np.nan, 2.5]])
    assert cube.ridge_window.sel(kernel="airy", level=2) == 8
    assert cube.zero_error.sel(kernel="airy", level=0) == 1
    systems = cube.linear_system_error.sel(kernel="airy")
    small = np.broadcast_to([0.6, np.nan, 2.6], (2, 3))
    np.testing.assert_equal(systems.sel(width=4).transpose("architecture", ...).values, small)
    assert systems.sel(width=8).isnull().all()
    assert cube.linear_system_error.sel(kernel="impulse").isnull().all()
    # Merging with a cube without baselines keeps them.
    parts = [tmp_path / "a.nc", tmp_path / "b.nc"]
    cube.sel(architecture=["a"]).to_netcdf(parts[0])
    cube.sel(architecture=["b"]).drop_vars(["ridge_error", "linear_system_error"]).to_netcdf(
        parts[1]
    )
    merge_cubes(parts, tmp_path / "both.nc")
    both = open_benchmark(tmp_path / "both.nc")
    xr.testing.assert_equal(
        both.ridge_error.drop_vars(both.ridge_error.coords),
        cube.ridge_error.drop_vars(cube.ridge_error.coords),
    )
    assert both.linear_system_error.sel(architecture="b").isnull().all()


def test_a_finished_study_lacks_nothing(tmp_path: Path) -> None:
    paths = whole_study(tmp_path)
    given: dict[str, Any] = {"architectures": ["b", "a"], "kernels": ["impulse", "airy"]}
    given["study"] = STUDY
    assemble_cube(tmp_path / "cube.nc", paths, **given)
    with pytest.raises(ValueError, match=r"no evaluation of a, width 4, airy, rho = 0\.5"):
        assemble_cube(tmp_path / "none.nc", [p for p in paths if p.stem != "a-4-airy"], **given)
    short = make_group(tmp_path / "short", "a", 8, "airy", levels=2)
    paths = [short if path.name == short.name else path for path in paths]
    with pytest.raises(ValueError, match=r"no evaluation of a, width 8, airy, rho = 2\.5"):
        assemble_cube(tmp_path / "none.nc", paths, **given)
    with pytest.raises(ValueError, match="nothing has been evaluated yet"):
        assemble_cube(tmp_path / "none.nc", [], **given)
    assert not (tmp_path / "none.nc").exists()


def added(folder: Path, rho: list[float], length: list[float]) -> Path:
    """An evaluation of further levels of one group."""
    path = make_group(folder, "a", 4, "airy", levels=len(rho))
    edit(path, lambda g: g.assign(rho=("level", rho), memory_length=("level", length)))
    return path


def test_added_levels_stand_between_those_of_the_study(tmp_path: Path) -> None:
    coarse = [make_group(tmp_path, a, 4, "airy") for a in ("a", "b")]
    fine = added(tmp_path / "added", [1.25, 2.0], [2.0, 3.0])
    cube = assemble(tmp_path / "cube.nc", [*coarse, fine])
    assert cube.rho.sel(kernel="impulse").dropna("level").values.tolist() == [0.5, 1.5]
    cube = longest(cube).sel(width=4, kernel="airy")
    # By M99 and, where it is the same, by rho.
    assert cube.rho.values.tolist() == [0.5, 1.25, 1.5, 2.0, 2.5]
    assert cube.memory_length.values.tolist() == [1, 2, 2, 3, 4]
    for path, levels in ((coarse[0], [0, 2, 4]), (fine, [1, 3])):
        with xr.open_dataset(path) as file:
            np.testing.assert_array_equal(
                cube.relative_mse.sel(architecture="a", level=levels), longest(file).relative_mse
            )
    there = (cube.status != 0).any(["learning_rate", "seed"])
    assert there.sel(architecture="a").all()
    assert there.sel(architecture="b").values.tolist() == [True, False, True, False, True]


def test_levels_of_one_memory_length_are_in_the_order_of_their_family(tmp_path: Path) -> None:
    """The polynomial with the smaller power is the harder one."""
    levels = [{"rho": 0.5, "memory_length": 2}, {"rho": 1.5, "memory_length": 2}]
    study = {**STUDY, "kernels": {"polynomial": levels}}
    path = make_group(tmp_path, "a", 4, "polynomial")
    edit(path, lambda g: g.assign(memory_length=("level", [2.0, 2.0])))
    cube = assemble(tmp_path / "cube.nc", [path], kernels=["polynomial"], study=study)
    assert cube.rho.values.tolist() == [[1.5, 0.5]]


def test_a_level_in_two_files_is_refused_by_name(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    coarse = make_group(tmp_path, "a", 4, "airy")
    # 12 digits tell levels apart.
    assemble(tmp_path / "cube.nc", [coarse, added(tmp_path / "more", [1.50000001], [2.0])])
    fine = added(tmp_path / "added", [1.25, 1.5], [2.0, 2.0])
    expected = rf"{fine}: a, width 4, airy, rho = 1\.5 is in {coarse} too"
    with pytest.raises(OtherFileError, match=expected):
        assemble(tmp_path / "cube.nc", [*whole_study(tmp_path), fine], partial=False)
    cube = assemble(tmp_path / "cube.nc", [coarse, fine])  # left over from an earlier run
    assert "rho = 1.5 is in" in caplog.text
    assert cube.rho.sel(kernel="airy").values.tolist() == [0.5, 1.5, 2.5]


def test_what_the_study_no_longer_has_is_dropped(tmp_path: Path) -> None:
    study = changed_study(training={"learning_rates": [0.01, 0.1], "seeds": [9, 2, 1]})
    path = make_group(tmp_path, "a", 4, "airy")  # selected: 0.01, 0.003 and 0.01
    cube = assemble(tmp_path / "cube.nc", [path], study=study)
    assert cube.learning_rate.values.tolist() == [0.01, 0.1]
    assert cube.seed.values.tolist() == [1, 2, 9]
    cell = longest(cube).sel(architecture="a", width=4, kernel="airy")
    np.testing.assert_array_equal(cell.status.sel(level=0), [[1, 1, 0], [0, 0, 0]])
    # The rate that was selected is gone, and with it the result.
    assert (cell.status.sel(level=1) == 0).all()
    assert np.isnan(cell.selected_learning_rate.sel(level=1)).all()
    assert "partial" in cube.title
    best = selected(longest(open_benchmark(tmp_path / "cube.nc"))).sel(architecture="a", width=4)
    assert best.relative_mse.sel(kernel="airy").count("seed").values.tolist() == [2, 0, 2]
    with pytest.raises(OtherFileError, match=r"learning_rates = \[0\.003, 0\.01\], not \[0\.01"):
        assemble(tmp_path / "cube.nc", [path], study=study, partial=False)
    turned = changed_study(training={"learning_rates": RATES[::-1], "seeds": SEEDS[::-1]})
    assemble(tmp_path / "cube.nc", whole_study(tmp_path), study=turned, partial=False)


def test_a_budget_that_the_study_no_longer_has_takes_no_other_with_it(tmp_path: Path) -> None:
    def longer(group: xr.Dataset) -> xr.Dataset:
        more = group.assign_coords(budget=[20]).copy(deep=True)
        more.selected_learning_rate[:] = 0.003
        return xr.concat([group, more], "budget", data_vars="minimal").assign_attrs(
            settings=group.settings.replace('"steps": [10]', '"steps": [10, 20]')
        )

    path = make_group(tmp_path, "a", 4, "airy")
    edit(path, longer)
    study = changed_study(training={"learning_rates": [0.01]})
    cube = assemble(tmp_path / "cube.nc", [path], study=study)
    assert cube.budget.values.tolist() == [10]
    there = (longest(cube).status == 1).all(["learning_rate", "seed"])
    # At the rates that were selected with 10 steps.
    at = {"architecture": "a", "width": 4, "kernel": "airy"}
    assert there.sel(at).values.tolist() == [True, False, True]


def test_a_study_at_work_leaves_out_what_is_in_change(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    study = changed_study(training={"steps": [11]})
    paths = whole_study(tmp_path)
    for path in paths[:2]:  # made anew with other settings; the rest is still to come
        edit(
            path,
            lambda g: g.assign_coords(budget=[11]).assign_attrs(
                settings=g.settings.replace('"steps": [10]', '"steps": [11]')
            ),
        )
    gone = tmp_path / "gone.nc"
    with pytest.raises((OtherFileError, FileNotFoundError)):
        assemble(tmp_path / "cube.nc", [*paths, gone], study=study, partial=False)
    cube = assemble(tmp_path / "cube.nc", [*paths, gone], study=study)
    assert caplog.text.count("left out: ") == len(paths) - 2 + 1
    assert int((cube.status == 1).any(["level", "budget", "learning_rate", "seed"]).sum()) == 2
    paths[0].write_bytes(b"broken")  # and what is broken is never left out in silence
    with pytest.raises(BrokenFileError, match="no seal"):
        assemble(tmp_path / "cube.nc", paths, study=study)


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"training": {"steps": [11]}}, r"training\.steps = \[10\], not \[11\]"),
        ({"task": {"seed": 1}}, r"task\.seed = 0, not 1"),
        ({"evaluation": {"probes": 8}}, r"evaluation\.probes = None, not 8"),
        ({"architectures": {"a": {"widths": [4, 8], "layers": 2}}}, r"layers = None, not 2"),
        (
            {"architectures": {"a": {"widths": [4, 8], "training": {"steps": [9]}}}},
            r"training\.steps = \[10\], not \[9\]",
        ),
        ({"architectures": {"a": {"widths": [8]}}}, "the study has no a of width 4 on impulse"),
        ({"architectures": {"a": {"widths": []}}}, "the study has no a of width 4"),
    ],
)
def test_what_was_made_otherwise_is_refused(
    tmp_path: Path, section: dict[str, Any], message: str
) -> None:
    paths, study = whole_study(tmp_path), changed_study(**section)
    with pytest.raises(OtherFileError, match=rf"{paths[0]}: .*{message}"):
        assemble(tmp_path / "cube.nc", paths, study=study, partial=False)


def test_a_file_under_the_name_of_another_is_refused(tmp_path: Path) -> None:
    path = make_group(tmp_path, "a", 4, "impulse")
    for place, message in (
        ("b/width=4/impulse", "architecture = 'a', not 'b'"),
        ("a/width=8/impulse", "width = 4, not 8"),
        ("a/width=4/airy", "kernel = 'impulse', not 'airy'"),
    ):
        moved = tmp_path / f"evaluation/study/{place}.nc"
        moved.parent.mkdir(parents=True, exist_ok=True)
        moved.write_bytes(path.read_bytes())
        with pytest.raises(OtherFileError, match=message):
            assemble(tmp_path / "cube.nc", [moved], partial=False)


def test_what_is_no_evaluation_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "foreign.nc"
    xr.Dataset({"a": 1}).to_netcdf(path)
    with pytest.raises(BrokenFileError, match=r"foreign\.nc: no seal of mfbench"):
        assemble(tmp_path / "cube.nc", [path])
    edit(path, lambda group: group)
    with pytest.raises(BrokenFileError, match=r"foreign\.nc: not an mfbench evaluation file"):
        assemble(tmp_path / "cube.nc", [path])


def test_a_failed_cell_is_neither_absent_nor_diverged(tmp_path: Path) -> None:
    paths = [make_group(tmp_path, "a", 4, kernel) for kernel in ("impulse", "airy")]
    fail(paths[1], 1, "architecture own, width 4, rho = 1.5: KeyError: 'mine'")
    made = assemble(tmp_path / "cube.nc", paths)
    cube = open_benchmark(tmp_path / "cube.nc")
    at = {"architecture": "a", "width": 4, "kernel": "airy"}
    cell = cube.sel(at | {"level": 1})
    assert (cell.status == "failed").all()
    assert cell.message.item() == "architecture own, width 4, rho = 1.5: KeyError: 'mine'"
    assert (cube.sel(at | {"level": [0, 2]}).status == "ok").all()
    assert (cube.message != "").sum() == 1
    assert int(failed(cube).sum()) == 1
    assert bool(failed(cube).sel(at | {"level": 1}))
    assert int(trained(cube).sum()) == 4 * len(RATES) * len(SEEDS)
    np.testing.assert_array_equal(trained(made), trained(cube))  # codes and words alike
    assert selected(cube).relative_mse.sel(at | {"level": 1}).isnull().all()


@pytest.mark.parametrize("first", [0, 1])
def test_a_group_that_could_not_be_built_hides_no_size(tmp_path: Path, first: int) -> None:
    paths = [make_group(tmp_path, "a", 4, kernel) for kernel in ("impulse", "airy")]
    fail(paths[0], 0, "broken", built=False)
    cube = assemble(tmp_path / "cube.nc", [paths[first], paths[1 - first]])
    assert float(cube.parameters.sel(architecture="a", width=4)) == 40


def test_selected_takes_each_seed_at_its_own_rate(tmp_path: Path) -> None:
    def other_rate(group: xr.Dataset) -> None:
        group.selected_learning_rate[{"level": 0, "seed": 2}] = 0.003

    path = make_group(tmp_path, "a", 8, "airy")
    edit(path, other_rate)
    assemble(tmp_path / "cube.nc", [path])
    cube = longest(open_benchmark(tmp_path / "cube.nc"))
    best = selected(cube)
    assert "learning_rate" not in best.dims
    part = cube.relative_mse.sel(architecture="a", width=8, kernel="airy")
    chosen = best.relative_mse.sel(architecture="a", width=8, kernel="airy")
    np.testing.assert_array_equal(chosen[0, :2], part.sel(level=0, learning_rate=0.01)[:2])
    assert chosen[0, 2] == part.sel(level=0, learning_rate=0.003, seed=2)
    np.testing.assert_array_equal(chosen[1], part.sel(level=1, learning_rate=0.003))
    assert (best.status.sel(architecture="b", width=8) == "absent").all()
    assert best.relative_mse.sel(architecture="b", width=8).isnull().all()
    # A user cuts the other rate away: where it was selected, there is no result any more.
    cut = selected(cube.sel(learning_rate=[0.01])).sel(architecture="a", width=8, kernel="airy")
    assert cut.relative_mse.sel(level=1).isnull().all()
    assert (cut.status.sel(level=1) == "absent").all()
    np.testing.assert_array_equal(cut.relative_mse.sel(level=0)[:2], chosen[0, :2])
    assert cut.status.sel(level=0).values.tolist() == ["ok", "ok", "absent"]
