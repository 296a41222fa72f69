"""Cubes that are opened: finished, saved by a user, in use, broken."""

from __future__ import annotations

import lzma
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import netCDF4
import numpy as np
import pytest
import xarray as xr

import mfbench
from mfbench.cube.read import open_benchmark
from mfbench.cube.schema import SCHEMA_VERSION
from mfbench.cube.select import selected, trained
from mfbench.files import BrokenFileError, atomic
from tests.cube.evaluations import STUDY, assemble, whole_study


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made")
    assemble(folder / "cube.nc", whole_study(folder), partial=False)
    return folder / "cube.nc"


@pytest.fixture
def path(made: Path, tmp_path: Path) -> Path:
    """A cube that a test may change."""
    return shutil.copy(made, tmp_path / "cube.nc")


def test_the_status_is_in_words_and_all_else_as_in_the_file(path: Path) -> None:
    cube = mfbench.open(path)
    with xr.open_dataset(path, mask_and_scale=False) as file:
        xr.testing.assert_identical(cube.drop_vars("status"), file.load().drop_vars("status"))
        np.testing.assert_array_equal(cube.status == "ok", file.status == 1)
    assert set(np.unique(cube.status.values.astype(str))) == {"ok", "absent"}
    table = cube[["status", "relative_mse"]].to_dataframe()
    assert (table.status == "ok").sum() == table.relative_mse.notna().sum()
    assert {"rho", "memory_length"} <= set(table.columns)


@pytest.mark.parametrize(
    "part",
    [
        lambda cube: cube.isel(architecture=[0]),
        lambda cube: cube.sel(architecture="a", width=8),
        lambda cube: cube.sel(kernel=["airy"]).transpose(..., "architecture"),
        lambda cube: cube[["status", "relative_mse", "selected_learning_rate"]],
        lambda cube: cube.sel(architecture=["b"]).sel(seed=[1, 2]),
    ],
)
def test_a_part_that_a_user_saved_opens(
    path: Path, tmp_path: Path, part: Callable[[xr.Dataset], xr.Dataset]
) -> None:
    saved = part(open_benchmark(path))
    saved.to_netcdf(tmp_path / "mine.nc")
    opened = open_benchmark(tmp_path / "mine.nc")
    xr.testing.assert_identical(opened, saved)
    assert trained(opened).sum() == trained(saved).sum()
    xr.testing.assert_identical(selected(opened), selected(saved))


def test_what_a_user_masked_is_absent(path: Path, tmp_path: Path) -> None:
    cube = open_benchmark(path)
    below = cube.relative_mse < float(cube.relative_mse.median())
    cube.where(below).to_netcdf(tmp_path / "words.nc")
    with xr.open_dataset(path) as file:  # with plain xarray
        file.where(below).to_netcdf(tmp_path / "codes.nc")
    for name in ("words", "codes"):
        found = open_benchmark(tmp_path / f"{name}.nc")
        np.testing.assert_array_equal(found.status == "ok", below)
        np.testing.assert_array_equal(found.status == "absent", ~below)


def test_a_file_that_another_program_writes_to_opens(path: Path) -> None:
    before = open_benchmark(path)
    code = (
        f"import netCDF4; file = netCDF4.Dataset({str(path)!r}, 'a'); print(1, flush=True); input()"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline()
        xr.testing.assert_identical(open_benchmark(path), before)
    finally:
        holder.communicate(b"\n")


def test_the_workflow_refuses_a_cube_that_has_changed(path: Path) -> None:
    open_benchmark(path, made_for=STUDY)
    with pytest.raises(BrokenFileError, match=r"name = 's', not 't'"):
        open_benchmark(path, made_for={**STUDY, "name": "t"})
    whole = path.read_bytes()
    path.write_bytes(whole[:-200] + bytes([whole[-200] ^ 1]) + whole[-199:])
    with pytest.raises(BrokenFileError, match="does not match its seal"):
        open_benchmark(path, made_for=STUDY)


@pytest.mark.parametrize("name", ["without_budgets", "with_causes"])
def test_cubes_of_earlier_versions_open(name: str, tmp_path: Path) -> None:
    """Real cubes of the days before cubes had a version."""
    stored = Path(__file__).parent / "data" / f"{name}.nc.xz"
    (tmp_path / "old.nc").write_bytes(lzma.decompress(stored.read_bytes()))
    cube = mfbench.open(tmp_path / "old.nc")
    assert "schema_version" not in cube.attrs
    counts = {"without_budgets": 8, "with_causes": 24}
    assert trained(cube).sum() == counts[name]
    best = cube.mf.selected()
    assert best.relative_mse.dims == ("architecture", "width", "kernel", "level", "seed")
    assert best.relative_mse.notnull().sum() == (best.status == "ok").sum() > 0
    assert cube.mf.plot.error().to_dict()["datasets"]


def test_a_cube_of_a_newer_version_is_refused(path: Path) -> None:
    with netCDF4.Dataset(path, "a") as file:
        assert file.schema_version == SCHEMA_VERSION
        file.schema_version = SCHEMA_VERSION + 1
    with pytest.raises(ValueError, match=r"cube\.nc: its layout has version 2, .*upgrade mfbench"):
        open_benchmark(path)


def test_what_is_no_cube_is_named(path: Path, tmp_path: Path) -> None:
    foreign = tmp_path / "foreign.nc"
    with atomic(foreign) as temporary:
        xr.Dataset({"a": 1}).to_netcdf(temporary)
    for made_for in (None, STUDY):
        with pytest.raises(
            ValueError, match=r"foreign\.nc: not a benchmark cube of mfbench: it lacks"
        ):
            open_benchmark(foreign, made_for=made_for)
    cube = open_benchmark(path)
    cube["status"] = xr.full_like(cube.status, "fine")
    cube.to_netcdf(foreign)
    with pytest.raises(ValueError, match=r"it has the status \['fine'\]"):
        open_benchmark(foreign)
    with pytest.raises(FileNotFoundError, match=r"nowhere\.nc"):
        open_benchmark(tmp_path / "nowhere.nc")
    for content in (b"", b"text", path.read_bytes()[:5000]):
        foreign.write_bytes(content)
        with pytest.raises(OSError, match=r"foreign\.nc"):
            open_benchmark(foreign)
