"""The cube: complete, partial, and what is read back."""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
import xarray as xr

import mfbench
assemble_benchmark = None
from mfbench.cube.read import open_benchmark
from mfbench.cube.select import failed, selected, trained
from mfbench.files import BrokenFileError, atomic
from mfbench.workflow.failed_cells import count_failed
from tests.cube.oracle import write_benchmark

RATES, SEEDS = [0.003, 0.01], [0, 1, 2]
STUDY: dict[str, Any] = {
    "name": "s",
    "task": {"seed": 0},
    "training": {"learning_rates": RATES, "seeds": SEEDS, "steps": 10},
    "evaluation": {"success": 0.1},
    "architectures": {"a": {"widths": [4, 8]}, "b": {"widths": [4]}},
    "kernels": {
        "impulse": [{"rho": "0.5", "memory_length": 1}, {"rho": "1.5", "memory_length": 2}],
        "airy": [{"rho": f"{i}.5", "memory_length": 2**i} for i in range(3)],
    },
}


def make_group(folder: Path, architecture: str, width: int, kernel: str, levels: int = 2) -> Path:
    """An evaluation file with numbers that say where they belong."""
    shape = (levels, len(RATES), len(SEEDS))
    code = 1000.0 * ord(architecture) + 100 * width + 10 * len(kernel)
    numbers = code + np.arange(np.prod(shape)).reshape(shape) / 100
    member = ("level", "learning_rate", "seed")
    group = xr.Dataset(
        {
            "status": (member, np.ones(shape, "i1")),
            "relative_mse": (member, numbers),
            "best_step": (member, np.full(shape, 7, "i4")),
            "validation_error": ((*member, "step"), np.stack([numbers, numbers + 1], -1)),
            "learned_memory_function": ((*member, "lag"), np.stack([numbers] * 4, -1)),
            "memory_over_training": (
                (*member, "step", "lag"),
                np.broadcast_to(numbers[..., None, None], (*shape, 2, 4)).astype("f4"),
            ),
            "failure": ("level", np.full(levels, "", dtype=object)),
            "selected_learning_rate": ("level", np.resize([0.01, 0.003], levels)),
            "rho": ("level", np.arange(levels) + 0.5),
            "memory_length": ("level", 2.0 ** np.arange(levels)),
            "order": ("level", np.arange(levels) + 1.0),
            "memory_function": (("level", "lag"), np.ones((levels, 4))),
            "weights": (("level", "lag"), np.full((levels, 4), 0.5)),
            "parameters": ("level", np.full(levels, 10.0 * width)),
            "linear": ("level", np.zeros(levels)),
            "state_size": ("level", np.full(levels, float(width))),
            "receptive_field": ("level", np.full(levels, np.nan)),
        },
        coords={
            "level": np.arange(levels, dtype="i4"),
            "learning_rate": RATES,
            "seed": np.array(SEEDS, "i4"),
            "step": np.array([1, 10], "i4"),
            "lag": np.arange(4, dtype="i4"),
            "time": np.arange(2, 4, dtype="i4"),
            "threshold": [0.1],
            "perturbation": [0.0, 0.1],
            "length_factor": np.array([2, 4], "i4"),
        },
        attrs={
            "architecture_name": architecture,
            "width": width,
            "kernel": kernel,
            "settings": json.dumps({**STUDY, "architecture": {}}),
        },
    )
    for variable in group.variables.values():
        variable.attrs.update(long_name="a number", units="1")
    path = folder / f"{architecture}-{width}-{kernel}.nc"
    with atomic(path) as temporary:
        group.to_netcdf(temporary)
    return path


def assemble(paths: list[Path], **changes: Any) -> xr.Dataset:
    given: dict[str, Any] = {
        "architectures": ["b", "a"],
        "kernels": ["impulse", "airy"],
        "resolved": STUDY,
        **changes,
    }
    with TemporaryDirectory() as folder:
        path = Path(folder) / "cube.nc"
        assemble_benchmark(path, paths, **given)
        with xr.open_dataset(path, mask_and_scale=False) as file:
            return file.load()


@pytest.fixture
def cube(tmp_path: Path) -> xr.Dataset:
    """Architecture a at two widths, b at one; airy has one level more."""
    paths = [
        make_group(tmp_path, "a", w, k, 3 if k == "airy" else 2)
        for w in (4, 8)
        for k in ("impulse", "airy")
    ]
    paths.append(make_group(tmp_path, "b", 4, "impulse"))
    given = {"architectures": ["b", "a"], "kernels": ["impulse", "airy"], "resolved": STUDY}
    assemble_benchmark(tmp_path / "cube.nc", paths, **given)
    return mfbench.open_benchmark(tmp_path / "cube.nc")


def test_dimensions_and_order_are_those_of_the_study(cube: xr.Dataset) -> None:
    assert cube.relative_mse.dims == (
        "architecture",
        "width",
        "kernel",
        "level",
        "learning_rate",
        "seed",
    )
    assert cube.architecture.values.tolist() == ["b", "a"]
    assert cube.width.values.tolist() == [4, 8]
    assert cube.kernel.values.tolist() == ["impulse", "airy"]
    assert cube.learning_rate.values.tolist() == RATES
    assert cube.rho.dims == ("kernel", "level")
    assert "rho" in cube.coords
    assert "memory_length" in cube.coords
    assert cube.validation_error.dims[-1] == "step"
    assert cube.learned_memory_function.dims[-1] == "lag"
    assert cube.memory_over_training.dims[-2:] == ("step", "lag")
    assert cube.memory_over_training.dtype == np.float32  # the largest variable stays small
    assert cube.memory_over_training.isnull().any()  # absent


def test_every_number_is_at_its_place(cube: xr.Dataset) -> None:
    groups = [("a", w, k, n) for w in (4, 8) for k, n in (("impulse", 2), ("airy", 3))]
    for architecture, width, kernel, levels in [*groups, ("b", 4, "impulse", 2)]:
        part = cube.sel(architecture=architecture, width=width, kernel=kernel)
        code = 1000.0 * ord(architecture) + 100 * width + 10 * len(kernel)
        numbers = code + np.arange(levels * 6).reshape(levels, 2, 3) / 100
        np.testing.assert_array_equal(part.relative_mse[:levels], numbers)
        np.testing.assert_array_equal(part.validation_error[:levels, ..., 1], numbers + 1)
        assert (part.status[:levels] == "ok").all()
        assert float(part.parameters) == 10 * width
        np.testing.assert_array_equal(part.rho[:levels], np.arange(levels) + 0.5)


def test_what_is_missing_is_nan_and_absent(cube: xr.Dataset) -> None:
    for missing in (
        {"architecture": "b", "width": 8},
        {"architecture": "b", "width": 4, "kernel": "airy"},
        {"architecture": "a", "width": 4, "kernel": "impulse", "level": 2},
    ):
        part = cube.sel(missing)
        assert (part.status == "absent").all()
        assert part.relative_mse.isnull().all()
    assert np.isnan(cube.rho.sel(kernel="impulse", level=2))


def test_it_becomes_a_table(cube: xr.Dataset) -> None:
    table = cube[["status", "relative_mse"]].to_dataframe()
    assert len(table) == 2 * 2 * 2 * 3 * 2 * 3
    assert (table.status == "ok").sum() == table.relative_mse.notna().sum()
    assert {"rho", "memory_length"} <= set(table.columns)
    assert len(cube.to_dataframe())


def test_selected_takes_each_cell_at_its_own_rate(cube: xr.Dataset) -> None:
    best = selected(cube)
    assert "learning_rate" not in best.dims
    part = cube.relative_mse.sel(architecture="a", width=8, kernel="airy")
    chosen = best.relative_mse.sel(architecture="a", width=8, kernel="airy")
    np.testing.assert_array_equal(chosen[0], part.sel(level=0, learning_rate=0.01))
    np.testing.assert_array_equal(chosen[1], part.sel(level=1, learning_rate=0.003))
    assert (best.status.sel(architecture="b", width=8) == "absent").all()
    assert best.relative_mse.sel(architecture="b", width=8).isnull().all()


def test_the_axes_are_those_of_the_study_even_where_nothing_has_run(tmp_path: Path) -> None:
    cube = assemble([make_group(tmp_path, "a", 4, "impulse")])
    assert "partial" in cube.attrs["title"]
    assert cube.architecture.values.tolist() == ["b", "a"]
    assert cube.width.values.tolist() == [4, 8]
    assert (cube.status.sel(architecture="b") == 0).all()
    assert cube.rho.sel(kernel="airy").values.tolist() == [0.5, 1.5, 2.5]


def test_levels_are_found_by_rho_and_stale_ones_are_left_out(tmp_path: Path) -> None:
    # The file has rho 0.5 and 1.5; the study has since put 0.7 between them and dropped 0.5.
    study = {**STUDY, "kernels": dict(STUDY["kernels"])}
    study["kernels"]["impulse"] = [
        {"rho": "0.7", "memory_length": 1},
        {"rho": "1.5", "memory_length": 2},
    ]
    study["training"] = {"learning_rates": [0.01, 0.1], "seeds": [1, 2, 9]}
    path = make_group(tmp_path, "a", 4, "impulse")
    cube = assemble([path], resolved=study).sel(architecture="a", width=4, kernel="impulse")
    assert (cube.status.sel(level=0) == 0).all()
    got = cube.status.sel(level=1)
    np.testing.assert_array_equal(got, [[1, 1, 0], [0, 0, 0]])
    with xr.open_dataset(path) as file:
        expected = file.relative_mse.sel(level=1, learning_rate=0.01, seed=[1, 2])
        np.testing.assert_array_equal(
            cube.relative_mse.sel(level=1, learning_rate=0.01, seed=[1, 2]), expected
        )
    gone = {**STUDY, "kernels": {**STUDY["kernels"], "impulse": [{"rho": "9", "memory_length": 9}]}}
    assert (assemble([path], resolved=gone).status == 0).all()


def test_added_levels_stand_between_those_of_the_study(tmp_path: Path) -> None:
    coarse = [make_group(tmp_path, a, 4, "airy", 3) for a in ("a", "b")]
    (tmp_path / "added").mkdir()
    added = make_group(tmp_path / "added", "a", 4, "airy", 2)
    with xr.open_dataset(added) as file:
        changed = file.load()
    changed["rho"] = "level", [1.25, 2.0]
    changed["memory_length"] = "level", [2.0, 3.0]
    with atomic(added) as temporary:
        changed.to_netcdf(temporary)
    cube = assemble(coarse, added=[added]).sel(width=4, kernel="airy")
    # By M99 and, where it is the same, by rho.
    assert cube.rho.values.tolist() == [0.5, 1.25, 1.5, 2.0, 2.5]
    assert cube.memory_length.values.tolist() == [1, 2, 2, 3, 4]
    np.testing.assert_array_equal(
        cube.relative_mse.sel(architecture="a", level=[1, 3]), changed.relative_mse
    )
    with xr.open_dataset(coarse[0]) as file:
        np.testing.assert_array_equal(
            cube.relative_mse.sel(architecture="a", level=[0, 2, 4]), file.relative_mse
        )
    there = (cube.status != 0).any(["learning_rate", "seed"])
    assert there.sel(architecture="a").all()
    assert there.sel(architecture="b").values.tolist() == [True, False, True, False, True]
    # Other kernels keep their levels.
    whole = assemble(coarse, added=[added])
    assert whole.rho.sel(kernel="impulse").dropna("level").values.tolist() == [0.5, 1.5]


def test_the_order_of_the_files_does_not_matter(tmp_path: Path) -> None:
    paths = [make_group(tmp_path, a, 4, k) for a in ("a", "b") for k in ("impulse", "airy")]
    one, other = assemble(paths), assemble(paths[::-1])
    other.attrs["history"] = one.attrs["history"]  # the clock may have moved on
    xr.testing.assert_identical(one, other)


def test_the_file_describes_itself(cube: xr.Dataset) -> None:
    for name in ("Conventions", "git_commit", "package_versions", "settings", "seeds", "title"):
        assert name in cube.attrs
    for name, variable in cube.variables.items():
        assert "long_name" in variable.attrs, name


def test_status_is_a_cf_flag_in_the_file(cube: xr.Dataset, tmp_path: Path) -> None:
    with xr.open_dataset(tmp_path / "cube.nc", mask_and_scale=False) as file:
        assert file.status.dtype == np.int8
        assert file.status.attrs["flag_meanings"] == "absent ok diverged failed"
        assert file.status.attrs["flag_values"].tolist() == [0, 1, 2, 3]


def test_foreign_files_are_named(tmp_path: Path) -> None:
    foreign = tmp_path / "foreign.nc"
    xr.Dataset({"a": 1}).to_netcdf(foreign)
    for read in (open_benchmark, lambda path: assemble([path])):
        with pytest.raises(BrokenFileError, match=r"foreign\.nc: no seal of mfbench"):
            read(foreign)
    with atomic(foreign) as temporary:
        xr.Dataset({"a": 1}).to_netcdf(temporary)
    with pytest.raises(BrokenFileError, match=r"foreign\.nc: no benchmark cube of mfbench"):
        open_benchmark(foreign)
    with pytest.raises(BrokenFileError, match=r"foreign\.nc: no evaluation of mfbench"):
        assemble([foreign])
    with pytest.raises(ValueError, match="no evaluation file"):
        assemble([])


def test_levels_of_one_memory_length_are_in_the_order_of_their_family(tmp_path: Path) -> None:
    """The polynomial with the smaller power is the harder one."""
    levels = [{"rho": "0.5", "memory_length": 2}, {"rho": "1.5", "memory_length": 2}]
    study = {**STUDY, "kernels": {"polynomial": levels}}
    cube = assemble(
        [make_group(tmp_path, "a", 4, "polynomial")],
        architectures=["a"],
        kernels=["polynomial"],
        resolved=study,
    )
    assert cube.rho.values.tolist() == [[1.5, 0.5]]


def fail(path: Path, level: int, message: str, *, built: bool = True) -> None:
    """Make a cell of an evaluation file failed, as the evaluation writes it."""
    with xr.open_dataset(path, mask_and_scale=False) as opened:
        group = opened.load().drop_encoding()
    texts = group.failure.values.astype(object)
    texts[level] = message
    group["failure"] = ("level", texts, group.failure.attrs)
    group.status[level] = 3
    group.relative_mse[level] = np.nan
    group.selected_learning_rate[level] = np.nan
    if not built:
        group.parameters[:] = np.nan
    with atomic(path) as temporary:
        group.to_netcdf(temporary)


def test_a_failed_cell_is_neither_absent_nor_diverged(tmp_path: Path) -> None:
    paths = [make_group(tmp_path, "a", 4, "impulse"), make_group(tmp_path, "a", 4, "airy", 3)]
    fail(paths[1], 1, "architecture own, width 4, rho = 1.5: KeyError: 'mine'")
    write_benchmark(tmp_path / "cube.nc", assemble(paths))
    cube = open_benchmark(tmp_path / "cube.nc")
    at = {"architecture": "a", "width": 4, "kernel": "airy"}
    cell = cube.sel(at | {"level": 1})
    assert (cell.status == "failed").all()
    assert cell.failure.item() == "architecture own, width 4, rho = 1.5: KeyError: 'mine'"
    assert (cube.sel(at | {"level": [0, 2]}).status == "ok").all()
    assert (cube.failure != "").sum() == 1
    assert int(failed(cube).sum()) == 1
    assert count_failed(tmp_path / "cube.nc") == 1
    assert count_failed(tmp_path / "none.nc") == 0
    assert bool(failed(cube).sel(at | {"level": 1}))
    assert int(trained(cube).sum()) == 4 * len(RATES) * len(SEEDS)
    assert selected(cube).relative_mse.sel(at | {"level": 1}).isnull().all()
    # Texts stay whole when a cube is written again.
    write_benchmark(tmp_path / "again.nc", assemble(paths))
    with xr.open_dataset(tmp_path / "again.nc", mask_and_scale=False) as first:
        write_benchmark(tmp_path / "twice.nc", first.load())
    assert open_benchmark(tmp_path / "twice.nc").failure.equals(cube.failure)


def test_codes_and_words_say_alike_what_was_trained(tmp_path: Path) -> None:
    path = make_group(tmp_path, "a", 4, "airy", 3)
    fail(path, 0, "broken")
    made = assemble([path])
    write_benchmark(tmp_path / "cube.nc", made)
    words = trained(open_benchmark(tmp_path / "cube.nc"))
    np.testing.assert_array_equal(trained(made), words)
    assert int(words.sum()) == 2 * len(RATES) * len(SEEDS)


@pytest.mark.parametrize("first", [0, 1])
def test_a_group_that_could_not_be_built_hides_no_size(tmp_path: Path, first: int) -> None:
    paths = [make_group(tmp_path, "a", 4, "impulse"), make_group(tmp_path, "a", 4, "airy", 3)]
    fail(paths[0], 0, "broken", built=False)
    cube = assemble([paths[first], paths[1 - first]])
    assert float(cube.parameters.sel(architecture="a", width=4)) == 40


def test_texts_are_not_cut_to_those_of_the_first_file(tmp_path: Path) -> None:
    paths = [make_group(tmp_path, "a", w, "impulse") for w in (4, 8)]
    fail(paths[0], 0, "short")
    fail(paths[1], 1, "very much longer than that")
    write_benchmark(tmp_path / "cube.nc", assemble(paths))
    cube = open_benchmark(tmp_path / "cube.nc").sel(architecture="a", kernel="impulse")
    assert cube.failure.sel(width=4, level=0).item() == "short"
    assert cube.failure.sel(width=8, level=1).item() == "very much longer than that"
