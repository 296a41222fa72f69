"""The cube written one architecture at a time is that which is assembled whole."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import netCDF4
import numpy as np
import pytest
import xarray as xr

from mfbench.cube.architecture import assemble_architecture
from mfbench.cube.benchmark import assemble_benchmark
from mfbench.cube.failure_boundaries import boundary_variables
from mfbench.files import BrokenFileError, OtherFileError, atomic
from mfbench.files.integrity import seal
from tests import cube_oracle
from tests.test_cubes import STUDY, make_group

GIVEN: dict[str, Any] = {
    "architectures": ["b", "a"],
    "kernels": ["impulse", "airy"],
    "resolved": STUDY,
}
SETTINGS = {
    "task": STUDY["task"],
    "architecture": {},
    "training": STUDY["training"],
    "evaluation": {},
    "levels": {
        **{f"{width}/impulse": ["0.5", "1.5"] for width in (4, 8)},
        **{f"{width}/airy": ["0.5", "1.5", "2.5"] for width in (4, 8)},
    },
}


def structure(path: Path) -> dict[str, Any]:
    """All of a file but its numbers."""
    with netCDF4.Dataset(path) as file:
        found: dict[str, Any] = {"dimensions": {n: len(d) for n, d in file.dimensions.items()}}
        found["attributes"] = {n: file.getncattr(n) for n in file.ncattrs() if n != "history"}
        found["order"] = [list(file.dimensions), list(file.variables), list(file.ncattrs())]
        for name, variable in file.variables.items():
            attributes = {n: str(variable.getncattr(n)) for n in variable.ncattrs()}
            packed = None if variable.dtype is str else variable.filters()
            found[name] = str(variable.dtype), variable.dimensions, attributes, packed
    return found


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    """Architecture b lacks a kernel and has other steps; all have a text."""
    paths = [
        make_group(tmp_path, "a", w, k, 3 if k == "airy" else 2)
        for w in (4, 8)
        for k in ("impulse", "airy")
    ]
    paths.append(make_group(tmp_path, "b", 4, "impulse"))
    for path in paths:
        with xr.open_dataset(path, mask_and_scale=False) as file:
            group = file.load()
        texts = [f"{path.stem} {i}" for i in range(group.sizes["level"])]
        group["failure"] = "level", np.array(texts, dtype=object), {"long_name": "why, or nothing"}
        if path.stem.startswith("b"):
            group = group.assign_coords(step=("step", np.array([1, 7]), group.step.attrs))
        with atomic(path) as temporary:
            group.to_netcdf(temporary)
    return paths


@pytest.mark.parametrize("stages", ["one by one", "by architecture"])
def test_numbers_and_structure_are_those_of_the_whole(
    files: list[Path], tmp_path: Path, stages: str
) -> None:
    whole = cube_oracle.assemble_benchmark(files, **GIVEN)
    cube_oracle.write_benchmark(tmp_path / "whole.nc", whole.merge(boundary_variables(whole)))
    sources = files
    if stages == "by architecture":
        sources = [tmp_path / f"{name}.nc" for name in ("a", "b")]
        for source in sources:
            assemble_architecture(
                source, [f for f in files if f.stem[0] == source.stem], resolved=SETTINGS
            )
    assemble_benchmark(tmp_path / "slabs.nc", sources, **GIVEN)
    with (
        xr.open_dataset(tmp_path / "whole.nc", mask_and_scale=False) as one,
        xr.open_dataset(tmp_path / "slabs.nc", mask_and_scale=False) as other,
    ):
        other.attrs["history"] = one.attrs["history"]
        xr.testing.assert_identical(one.load(), other.load())
        assert other.failure.sel(architecture="b", width=4, kernel="impulse", level=1) == (
            "b-4-impulse 1"
        )
        assert (other.failure.sel(architecture="b", width=8) == "").all()
        assert other.step.values.tolist() == [1, 7, 10]
    assert structure(tmp_path / "whole.nc") == structure(tmp_path / "slabs.nc")


def test_added_levels_come_from_files_of_their_own(files: list[Path], tmp_path: Path) -> None:
    (tmp_path / "added").mkdir()
    added = make_group(tmp_path / "added", "a", 8, "airy", 2)
    with xr.open_dataset(added, mask_and_scale=False) as file:
        changed = file.load()
    changed["rho"] = "level", [1.25, 2.0], changed.rho.attrs
    changed["memory_length"] = "level", [2.0, 3.0], changed.memory_length.attrs
    with atomic(added) as temporary:
        changed.to_netcdf(temporary)
    levels = {"8/airy": ["1.25", "2.0"]}
    assemble_architecture(tmp_path / "added.nc", [added], resolved={**SETTINGS, "levels": levels})
    first = [tmp_path / f"{name}.nc" for name in ("a", "b")]
    for source in first:
        assemble_architecture(
            source, [f for f in files if f.stem[0] == source.stem], resolved=SETTINGS
        )
    before = first[0].read_bytes()
    assemble_benchmark(tmp_path / "cube.nc", first, added=[tmp_path / "added.nc"], **GIVEN)
    whole = cube_oracle.assemble_benchmark(files, added=[added], **GIVEN)
    with xr.open_dataset(tmp_path / "cube.nc", mask_and_scale=False) as cube:
        boundaries = set(cube.data_vars) - set(whole.data_vars)
        xr.testing.assert_equal(cube.load().drop_vars(boundaries), whole)
    assert first[0].read_bytes() == before


def test_an_architecture_is_assembled_from_its_own_files_only(
    files: list[Path], tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match=r"of one architecture, not of \['a', 'b'\]"):
        assemble_architecture(tmp_path / "a.nc", files, resolved=SETTINGS)
    assert not (tmp_path / "a.nc").exists()


def test_a_chunk_holds_one_architecture(files: list[Path], tmp_path: Path) -> None:
    assemble_benchmark(tmp_path / "cube.nc", files, **GIVEN)
    with netCDF4.Dataset(tmp_path / "cube.nc") as file:
        for variable in file.variables.values():
            if variable.dimensions[0] == "architecture" and variable.dtype is not str:
                chunks = dict(zip(variable.dimensions, variable.chunking(), strict=True))
                assert chunks.pop("architecture") == 1
                assert all(n == len(file.dimensions[d]) for d, n in chunks.items())


def test_what_was_made_otherwise_is_refused_at_both_steps(
    files: list[Path], tmp_path: Path
) -> None:
    mine = [f for f in files if f.stem[0] == "a"]
    whole = tmp_path / "a.nc"
    other = {**SETTINGS, "training": {**STUDY["training"], "steps": 11}}
    with pytest.raises(BrokenFileError, match=r"made for training\.steps = 10, not 11"):
        assemble_architecture(whole, mine, resolved=other)
    assemble_architecture(whole, mine, resolved=SETTINGS)
    study = {**STUDY, "training": other["training"]}
    for source in (whole, mine[0]):
        with pytest.raises(BrokenFileError, match=r"made for training\.steps = 10, not 11"):
            assemble_benchmark(tmp_path / "cube.nc", [source], **{**GIVEN, "resolved": study})
    place = tmp_path / "cubes/architectures/b.nc"
    place.parent.mkdir(parents=True)
    whole.rename(place)
    with pytest.raises(BrokenFileError, match=r"architecture_name = 'a', not 'b'"):
        assemble_benchmark(tmp_path / "cube.nc", [place], **GIVEN)
    damaged = bytearray(place.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    place.write_bytes(damaged)
    with pytest.raises(BrokenFileError, match="does not match its seal"):
        assemble_benchmark(tmp_path / "cube.nc", [place], **GIVEN)


def test_evaluations_with_other_levels_are_refused(files: list[Path], tmp_path: Path) -> None:
    mine = [f for f in files if f.stem[0] == "a"]
    levels = {**SETTINGS["levels"], "8/airy": ["0.5", "1.5"]}
    with pytest.raises(BrokenFileError, match=r"a-8-airy\.nc: .* rho = \[0\.5, 1\.5, 2\.5\], not"):
        assemble_architecture(tmp_path / "a.nc", mine, resolved={**SETTINGS, "levels": levels})
    place = tmp_path / "cubes/architectures/a.nc"
    fewer = [f for f in mine if "airy" not in f.stem]
    assemble_architecture(place, fewer, resolved=SETTINGS)
    assemble_benchmark(tmp_path / "cube.nc", [place], **GIVEN)
    more = {"kernels": {**STUDY["kernels"], "impulse": STUDY["kernels"]["airy"]}}
    with pytest.raises(BrokenFileError, match=r"levels\.4/impulse"):
        assemble_benchmark(tmp_path / "cube.nc", [place], **{**GIVEN, "resolved": STUDY | more})


def test_a_study_at_work_leaves_out_what_is_in_change(
    files: list[Path], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    study = {**STUDY, "training": {**STUDY["training"], "steps": 11}}
    for path in files[:2]:  # made anew with other settings; the rest is still to come
        with netCDF4.Dataset(path, "r+") as file:
            file.settings = file.settings.replace('"steps": 10', '"steps": 11')
        seal(path, ".nc")
    gone = tmp_path / "gone.nc"
    given = {**GIVEN, "resolved": study}
    with pytest.raises((OtherFileError, FileNotFoundError)):
        assemble_benchmark(tmp_path / "cube.nc", [*files, gone], **given)
    assemble_benchmark(tmp_path / "cube.nc", [*files, gone], partial=True, **given)
    assert caplog.text.count("left out: ") == len(files) - 2 + 1
    with xr.open_dataset(tmp_path / "cube.nc", mask_and_scale=False) as cube:
        assert "partial" in cube.title
        there = (cube.status == 1).any(["level", "learning_rate", "seed"])
        assert int(there.sum()) == 2
    files[0].write_bytes(b"broken")  # and what is broken is never left out in silence
    with pytest.raises(BrokenFileError, match="no seal"):
        assemble_benchmark(tmp_path / "cube.nc", files, partial=True, **given)
