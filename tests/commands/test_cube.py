"""`mfbench cube`: the cube of an unfinished study."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from mfbench.__main__ import main
from mfbench.cube.read import open_benchmark
from mfbench.cube.select import longest, selected
from mfbench.files.paths import Paths
from mfbench.study.study import Study, load_study
from mfbench.workflow.plan import study_settings
from tests.conftest import small_study
from tests.cube.evaluations import RATES, SEEDS, edit, make_group

Levels = dict[float, float]  # memory length by rho


class Project:
    """A folder with a study file and some evaluations."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.study = self.save()

    def save(self, **changes: Any) -> Study:
        """Change sections of the study."""
        study = small_study()
        study["results"] = str(self.folder / "results [1]")  # not a pattern
        study["training"] |= {"steps": [10], "learning_rates": RATES, "seeds": SEEDS}
        for section, given in changes.items():
            study[section] |= given
        (self.folder / "study.yaml").write_text(yaml.safe_dump(study, sort_keys=False))
        return load_study(study)

    def evaluate(
        self, architecture: str, kernel: str, levels: Levels | None = None, *, phase: str = "study"
    ) -> Path:
        """Write an evaluation, of the levels of the study if not of others."""
        settings = study_settings(self.study)
        if levels is None:
            tasks = settings["kernels"][kernel]
            levels = {float(task["rho"]): float(task["memory_length"]) for task in tasks}
        entry = settings["architectures"][architecture]
        names = {"phase": phase, "architecture": architecture, "width": 4, "kernel": kernel}
        made_with = {
            "file": names,
            "task": settings["task"],
            "architecture": {k: v for k, v in entry.items() if k not in ("widths", "training")},
            "training": settings["training"],
            "evaluation": settings["evaluation"],
        }
        made = make_group(self.folder, architecture, 4, kernel, levels=len(levels))
        edit(
            made,
            lambda group: group.assign(
                rho=("level", list(levels)), memory_length=("level", list(levels.values()))
            ).assign_attrs(settings=json.dumps(made_with)),
        )
        path = Path(Paths(self.study.results).file("evaluation", **names))
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(made, path)
        return path

    def cube(self) -> int:
        return main(["cube", str(self.folder / "study.yaml"), "-o", str(self.folder / "cube.nc")])


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


def test_it_holds_what_there_is(project: Project, tmp_path: Path) -> None:
    project.evaluate("rnn", "impulse")
    project.evaluate("rnn", "exponential")
    project.evaluate("s4d", "exponential")
    project.evaluate("rnn", "impulse", {5.0: 6.0}, phase="refine")
    project.save(architectures={"gru": {"widths": [4]}})
    assert project.cube() == 0
    cube = open_benchmark(tmp_path / "cube.nc")
    assert "partial" in cube.title
    assert cube.architecture.values.tolist() == ["rnn", "s4d", "gru"]
    assert cube.kernel.values.tolist() == ["exponential", "impulse"]
    assert cube.rho.sel(kernel="impulse").values.tolist() == [3, 5]
    there = (cube.status == "ok").all(["width", "level", "budget", "learning_rate", "seed"])
    assert there.values.tolist() == [[True, True], [True, False], [False, False]]

    # A learning rate that was selected at the second level is removed.
    project.save(training={"learning_rates": [0.01], "seeds": SEEDS})
    assert project.cube() == 0
    best = selected(longest(open_benchmark(tmp_path / "cube.nc"))).sel(architecture="rnn", width=4)
    status = best.status.sel(kernel="exponential")
    assert (status == "ok").all("seed").values.tolist() == [True, False]
    assert (status == "absent").all("seed").values.tolist() == [False, True]


def test_what_the_study_has_wins_over_what_was_added(
    project: Project, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    project.evaluate("rnn", "impulse")
    again = project.evaluate("rnn", "impulse", {3.0: 4.0, 5.0: 6.0}, phase="refine")
    assert project.cube() == 0
    assert f"left out: {again}" in caplog.text
    assert open_benchmark(tmp_path / "cube.nc").rho.sel(kernel="impulse").count() == 1


def test_what_is_wrong_is_said_in_a_line(
    project: Project, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert project.cube() == 1
    assert capsys.readouterr().err == (
        "mfbench cube: nothing has been evaluated yet, so there is no cube to write\n"
    )
    path = project.evaluate("rnn", "impulse")
    path.write_bytes(path.read_bytes()[:1000])
    assert project.cube() == 1
    assert str(path) in capsys.readouterr().err
    (tmp_path / "study.yaml").write_text("nonsense: 1")
    assert project.cube() == 2
    assert "mfbench cube: " in capsys.readouterr().err
    assert not (tmp_path / "cube.nc").exists()
    (tmp_path / "mine.py").write_text("import torch")  # a name typed by mistake
    assert main(["cube", str(tmp_path / "study.yaml"), "-o", str(tmp_path / "mine.py")]) == 2
    assert "must end in .nc" in capsys.readouterr().err
    assert (tmp_path / "mine.py").read_text() == "import torch"
