"""`mfbench compare`: what it prints and draws."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from mfbench.__main__ import main
from tests.predictions.cubes import Member, make_cube, study_of


@pytest.fixture
def cubes(tmp_path: Path, rng: np.random.Generator) -> list[str]:
    """Two cubes that differ in the gru; only the second has an lru."""

    def save(name: str, architectures: list[str], gru: float) -> str:
        study = study_of(
            kernels={"exponential": {"memory_length": [4, 8]}, "impulse": {"rho": [3]}},
            architectures={architecture: {"widths": [4]} for architecture in architectures},
        )

        def error(member: Member) -> float:
            shift = gru if member.name == "gru" else 0.0
            return float(10 ** (-2 + shift + 0.05 * rng.standard_normal()))

        make_cube(study, error).to_netcdf(tmp_path / name)
        return str(tmp_path / name)

    return [save("a.nc", ["rnn", "gru"], 0.0), save("b.nc", ["rnn", "gru", "lru"], -1.0)]


def test_cells_that_differ_are_listed(
    cubes: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["compare", *cubes, "--figure", str(tmp_path / "f.svg")]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "6 cells in both, 0 only in A, 3 only in B" in lines
    assert any("3 differ beyond the noise between seeds: B is better in 3" in x for x in lines)
    assert sum(line.startswith("gru ") for line in lines) == 3
    assert not any(line.startswith("rnn ") for line in lines)
    assert max(map(len, lines)) <= 80
    assert "Error of B divided by that of A" in (tmp_path / "f.svg").read_text()
    assert main(["compare", *cubes, "--all"]) == 0
    assert sum(x.startswith(("gru ", "rnn ")) for x in capsys.readouterr().out.splitlines()) == 6


def test_json_has_all_cells(cubes: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", *cubes, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["only_in_a"], document["only_in_b"]) == (0, 3)
    assert document["other_settings"] == []
    assert len(document["cells"]) == 6
    differ = [cell for cell in document["cells"] if cell["differs"]]
    assert {cell["architecture"] for cell in differ} == {"gru"}
    assert all(cell["lowest"] < cell["ratio"] < cell["highest"] < 0.2 for cell in differ)


@pytest.mark.parametrize(
    ("arguments", "status", "says"),
    [
        (["a.nc", "none.nc"], 1, "none.nc: No such file; did you mean b.nc?"),
        (["a.nc", "mine.py"], 1, "mine.py is not a cube (a NetCDF file); did you mean b.nc?"),
        (["a.nc", "a.nc", "--figure", "f.pdf"], 2, "f.pdf must end in .png, .svg, .html"),
    ],
)
def test_what_cannot_be_done_is_said(
    cubes: list[str], tmp_path: Path, monkeypatch, capsys, arguments, status, says
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mine.py").write_text("import torch\n")
    assert main(["compare", *arguments]) == status
    err = capsys.readouterr().err
    assert says in err
    assert err.count("\n") == 1
