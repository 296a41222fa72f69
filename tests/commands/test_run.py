"""What is wrong with a study file is one line, before anything runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from mfbench.__main__ import main
from tests.results import Results


@pytest.mark.parametrize("command", ["run", "estimate", "why", "status", "cube"])
def test_what_is_no_study_is_said_with_where_to_get_one(
    command: str, tmp_path: Path, monkeypatch, capsys
) -> None:
    monkeypatch.chdir(tmp_path)
    output = ["-o", "x.nc"] if command == "cube" else []

    def said(*file: str) -> str:
        assert main([command, *file, *output]) == 2
        out, err = capsys.readouterr()
        assert out == ""
        assert err.startswith(f"mfbench {command}: ")
        assert err.count("\n") == 1
        return err.removeprefix(f"mfbench {command}: ").strip()

    cure = "give a study (YAML); `mfbench new study NAME` writes one"
    Path("mine.py").write_text("import torch\n")
    assert said("mine.py") == f"mine.py is not a study file: {cure}"
    assert said(".") == f". is a folder: {cure}"
    assert said() == f"config.yaml: No such file or directory: {cure}"
    Path("mine.yaml").write_text("name: mine\n")
    assert said().endswith("give a study (YAML); here: mine.yaml")


@pytest.mark.parametrize("arguments", [["why"], ["run", "--dry-run"], ["run"]])
def test_the_end_of_snakemake_is_named(
    arguments: list[str], results: Results, tmp_path: Path, monkeypatch, capsys
) -> None:
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken/snakemake.py").write_text("raise ImportError('libmine.so is missing')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "broken"))
    assert main(arguments) == 1
    said = "Snakemake ended with exit status 1: ImportError: libmine.so is missing"
    assert said in capsys.readouterr().err


def test_results_of_another_study_stay(results: Results, capsys) -> None:
    marker = Path(results.study.results, ".study")
    marker.parent.mkdir(parents=True)
    marker.write_text("other.yaml\n")
    assert main(["run"]) == 1
    assert "belongs to the study file other.yaml, not to config.yaml" in capsys.readouterr().err
