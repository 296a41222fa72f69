"""reference/: the cubes that ship are those of the studies in config/, whole and small."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

import mfbench as mf
from findings.ship import DIGESTS, FOLDER, LARGEST, LEFT_OUT, digest
from mfbench.commands.app import app
from mfbench.study.document import read_documents
from mfbench.study.study import load_study
from mfbench.workflow.plan import study_settings

ROOT = Path(__file__).parent.parent
CUBES = sorted(FOLDER.glob("*.nc"))


def test_digests_and_size() -> None:
    listed = dict(line.split()[::-1] for line in DIGESTS.read_text(encoding="utf-8").splitlines())
    assert listed == {path.name: digest(path) for path in CUBES}
    assert 0 < sum(path.stat().st_size for path in CUBES) <= LARGEST


@pytest.mark.parametrize("path", CUBES, ids=[path.stem for path in CUBES])
def test_a_cube_is_that_of_its_study_and_says_where_it_comes_from(path: Path) -> None:
    cube = mf.open(path)
    study = load_study(read_documents([ROOT / "config" / f"{path.stem}.yaml"], []))
    assert json.loads(cube.attrs["settings"]) == json.loads(json.dumps(study_settings(study)))
    trained = (cube.status == "ok").sum(["learning_rate", "seed"]) > 0
    assert (trained.sum("width") == 1).all()  # each architecture on each level, at its one width
    assert not set(LEFT_OUT) & set(cube)
    assert all(cube.attrs[name] for name in ("hardware", "git_commit", "package_versions"))
    assert "learned_memory_function" in cube


@pytest.mark.parametrize(
    ("tasks", "marked", "clock"),
    [("plain", None, "steps"), ("marked input", 0.5, "steps"), ("marked clock", 0.5, "marked")],
)
def test_reference_opens_them_by_their_tasks(tasks: str, marked: float, clock: str) -> None:
    cube = mf.reference(tasks)
    task = json.loads(cube.attrs["settings"])["task"]
    assert (task.get("marked"), task.get("clock", "steps")) == (marked, clock)
    assert cube.architecture.values.tolist() == mf.reference().architecture.values.tolist()


def test_tasks_without_a_reference_are_refused_with_those_that_have_one() -> None:
    with pytest.raises(ValueError, match="'other'; choose from plain, marked clock, marked input"):
        mf.reference("other")


def test_commands_know_the_name() -> None:
    done = CliRunner().invoke(app, ["compare", "reference", "reference", "--json"])
    assert done.exit_code == 0, done.output
    tried = ["try", "rnn", "--kernel", "impulse", "--memory-length", "8", "--length", "16"]
    short = ["--steps", "2", "--width", "4"]
    done = CliRunner().invoke(app, [*tried, *short, "--with", "reference"])
    assert done.exit_code == 0, done.output
    assert "transformer" in done.output
