"""Blanks, quotes and letters of all languages in the names of folders and files."""

from __future__ import annotations

from pathlib import Path

import pytest

import mfbench
from mfbench.study.study import StudyError, load_study
from tests.conftest import small_study
from tests.faults.conftest import tiny_study
from tests.workflow.conftest import OWN, begin

pytestmark = pytest.mark.faults


def test_a_study_runs_whatever_its_folders_are_called(tmp_path: Path) -> None:
    results = 'ergebnisse für später/a\'b "c" [d] *e? $ f #g ;h& %i |j'
    study = tiny_study()
    study["results"] = results
    study["kernels"] = {"impulse": {"rho": [3]}}
    study["architectures"] = {"mine": {"model": "módelos y más/mi modelo.py:Own", "widths": [4]}}
    file = "stüdie – 1.yaml"
    project = begin(tmp_path / "Das Projekt: ünïcode 项目 'x'", study, file=file)
    own = project.folder / "módelos y más/mi modelo.py"
    own.parent.mkdir()
    own.write_text(OWN, encoding="utf-8")
    own.with_name("gain.py").write_text("GAIN = 1.5")
    targets = [f"{results}/cubes/benchmark.nc", f"{results}/figures/error_map.svg"]
    for message in ("steps (100%) done", "Nothing to be done"):
        assert message in project.run(*targets)
    cube = mfbench.open(project.folder / targets[0])
    assert (cube.status == "ok").all()


@pytest.mark.parametrize(
    "results", ["a{b}", "a}", "a\nb", " a", "a ", "~/a", "s3://bucket/a", "$HOME/a", ""]
)
def test_a_folder_that_snakemake_cannot_take_is_refused(results: str) -> None:
    with pytest.raises(StudyError, match=r"\n  results: "):
        load_study({**small_study(), "results": results})


@pytest.mark.parametrize(
    ("results", "same"), [("./a", "a"), ("a//b/", "a/b"), ("/x/../y", "/y"), ("../a", "../a")]
)
def test_a_folder_has_one_name(results: str, same: str) -> None:
    assert load_study({**small_study(), "results": results}).results == same
