"""A path that is no cube is answered with the cube nearby."""

from __future__ import annotations

from pathlib import Path

import pytest

from mfbench.files.cube_path import cube_path


def test_a_cube_nearby_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("empty").mkdir()
    with pytest.raises(IsADirectoryError, match=r"has its cube in results/NAME/cubes/"):
        cube_path("empty")
    cube = Path("results/small/cubes/benchmark.nc")
    cube.parent.mkdir(parents=True)
    cube.write_bytes(b"CDF\x01")
    assert cube_path(str(cube)) == cube
    for wrong in (".", "results", "results/small", "nope.nc", "results/benchmark.nc"):
        with pytest.raises(OSError, match=f"{cube}"):
            cube_path(wrong)
    Path("mine.py").write_text("import torch\n")
    with pytest.raises(
        OSError, match=rf"mine\.py is not a cube \(a NetCDF file\); did you mean {cube}"
    ):
        cube_path("mine.py")
    Path("empty/merged.nc").touch()
    with pytest.raises(
        IsADirectoryError, match=r"empty is a folder.*did you mean empty/merged\.nc"
    ):
        cube_path("empty")
