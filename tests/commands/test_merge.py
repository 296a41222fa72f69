"""`mfbench merge`."""

from __future__ import annotations

from pathlib import Path

import pytest

from mfbench.__main__ import main
from mfbench.cube.read import open_benchmark
from tests.cube.evaluations import assemble, edit, make_group


def test_cubes_are_merged(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one, other, out = (str(tmp_path / name) for name in ("a.nc", "b.nc", "all.nc"))
    path = make_group(tmp_path, "a", 4, "airy")
    assemble(Path(one), [path])
    assemble(Path(other), [make_group(tmp_path, "b", 4, "airy")])
    assert main(["merge", one, other, "-o", out]) == 0
    made = "2 architectures, 2 kernels, 2 widths, 3 levels, 3 seeds"
    assert capsys.readouterr().out == f"wrote {out}: {made}\n"
    cube = open_benchmark(out).sel(width=4, kernel="airy")
    assert (cube.status == "ok").all()
    edit(path, lambda group: group.assign(relative_mse=group.relative_mse + 1))
    assemble(Path(other), [path])
    Path(out).unlink()
    assert main(["merge", one, other, "-o", out]) == 1
    expected = f"mfbench merge: {one} and {other} have different numbers for a, width 4, airy, rho"
    assert capsys.readouterr().err.startswith(expected)
    assert main(["merge", one, str(tmp_path / "none.nc"), "-o", out]) == 1
    assert "none.nc" in capsys.readouterr().err
    assert not Path(out).exists()
