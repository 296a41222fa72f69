"""Not one bit of a file changes unseen, and no file passes under another's name."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import netCDF4
import numpy as np
import pytest
import xarray as xr
from safetensors.numpy import load_file, save_file

from mfbench.files import (
    BrokenFileError,
    atomic,
    check_identity,
    check_variables,
    read_json,
    sealed,
    write_json,
)

VALUES = np.arange(600, dtype="f4")


def write_netcdf(path: Path) -> None:
    with atomic(path) as temporary, netCDF4.Dataset(temporary, "w") as file:
        file.createDimension("n", len(VALUES))
        file.createVariable("x", "f4", ("n",))[:] = VALUES
        file.title = "t"


def write_safetensors(path: Path) -> None:
    with atomic(path) as temporary:
        save_file({"x": VALUES, "y": VALUES[:3]}, temporary, metadata={"b": "ü", "a": "1"})


def write_levels(path: Path) -> None:
    write_json(path, {"groups": [{"rho": "0.1", "width": 4}], "name": "ü"})


KINDS: dict[str, tuple[Callable[[Path], None], Callable[[Path], object]]] = {
    "a.nc": (write_netcdf, sealed),
    "a.safetensors": (write_safetensors, sealed),
    "a.json": (write_levels, read_json),
}


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, Callable[[Path], object]]:
    """A file of each kind, and how it is read."""
    write, read = KINDS[request.param]
    write(tmp_path / request.param)
    return tmp_path / request.param, read


def test_a_sealed_file_is_what_other_programs_read(tmp_path: Path) -> None:
    write_netcdf(tmp_path / "a.nc")
    write_safetensors(tmp_path / "a.safetensors")
    write_levels(tmp_path / "a.json")
    assert sealed(tmp_path / "a.nc") == tmp_path / "a.nc"
    for engine in ("netcdf4", None):
        with xr.open_dataset(tmp_path / "a.nc", engine=engine) as file:
            np.testing.assert_array_equal(file.x, VALUES)
    sealed(tmp_path / "a.safetensors")
    np.testing.assert_array_equal(load_file(tmp_path / "a.safetensors")["y"], VALUES[:3])
    assert read_json(tmp_path / "a.json")["groups"] == [{"rho": "0.1", "width": 4}]
    assert set(json.loads((tmp_path / "a.json").read_text())) == {"groups", "name", "usermeta"}


def test_any_flipped_bit_is_seen(kind: tuple[Path, Callable[[Path], object]]) -> None:
    path, read = kind
    whole = path.read_bytes()
    expected = read(path)
    chance = random.Random(1)
    places = {0, 7, 8, len(whole) // 2, len(whole) - 1, *chance.choices(range(len(whole)), k=300)}
    for place in sorted(places):
        broken = bytearray(whole)
        broken[place] ^= 1 << chance.randrange(8)
        path.write_bytes(broken)
        if path.suffix == ".json":  # a blank of a text may turn into another one
            with suppress(BrokenFileError):
                assert read(path) == expected
        else:
            with pytest.raises(BrokenFileError, match=rf"^{re.escape(str(path))}: "):
                read(path)


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.99])
def test_a_file_that_was_cut_off_is_seen(
    share: float, kind: tuple[Path, Callable[[Path], object]]
) -> None:
    path, read = kind
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    said = r"a\.\w+: .*(cut off|corrupt).*; delete it and run again"
    with pytest.raises(BrokenFileError, match=said):
        read(path)


@pytest.mark.parametrize("content", [b"{}", b"[1, 2]", b"hello", bytes(1000), b"\xff" * 100])
def test_what_mfbench_did_not_write_is_refused(
    content: bytes, kind: tuple[Path, Callable[[Path], object]]
) -> None:
    path, read = kind
    path.write_bytes(content)
    with pytest.raises(BrokenFileError):
        read(path)


def test_a_missing_file_is_no_broken_one(tmp_path: Path) -> None:
    for name, (_, read) in KINDS.items():
        with pytest.raises(FileNotFoundError):
            read(tmp_path / name)


def test_a_changed_file_has_no_valid_seal(tmp_path: Path) -> None:
    write_netcdf(tmp_path / "a.nc")
    with netCDF4.Dataset(tmp_path / "a.nc", "a") as file:
        file["x"][3] = 7.0
    with pytest.raises(BrokenFileError):
        sealed(tmp_path / "a.nc")


def test_a_file_of_other_settings_is_named_with_the_first_difference() -> None:
    found = {"task": {"length": 16, "seed": 0}, "kernel": "airy", "more": 1}
    check_identity("f.nc", found, {"kernel": "airy", "task": {"seed": 0}})
    check_identity("f.nc", found, {})
    with pytest.raises(BrokenFileError, match=r"made for task\.length = 16, not 32; delete"):
        check_identity("f.nc", found, {"kernel": "airy", "task": {"length": 32}})
    with pytest.raises(BrokenFileError, match=r"made for rho = None, not '3'"):
        check_identity("f.nc", found, {"rho": "3"})


def test_settings_are_compared_as_json_keeps_them() -> None:
    check_identity("f.nc", {"steps": [1, 2], "rate": 1}, {"steps": (1, 2), "rate": 1.0})


def test_a_file_of_another_kind_is_named() -> None:
    check_variables("f.nc", "dataset", ["x", "y"], needed=("x",))
    with pytest.raises(BrokenFileError, match=r"f\.nc: not an mfbench dataset file: it lacks y"):
        check_variables("f.nc", "dataset", ["x"], needed=("x", "y"))
