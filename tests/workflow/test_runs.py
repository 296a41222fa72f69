"""A study run for real, and what a user sees when something is wrong."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import xarray as xr

import mfbench
from mfbench.figures.order import FIGURES
from tests.workflow.conftest import BROKEN, Project, said

RESULTS = Path("results/small")


def addresses(page: str) -> list[str]:
    """What the elements of a page load from elsewhere."""
    found: list[str] = []

    class Elements(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            if tag in ("script", "link", "img", "iframe"):
                found.extend(v for k, v in attrs if k in ("src", "href") and v)

    Elements().feed(page)
    return found


def test_the_cube_of_a_run_is_complete_and_broken_code_stops_nothing(finished: Path) -> None:
    cube = mfbench.open(finished / RESULTS / "cubes/benchmark.nc")
    assert cube.architecture.values.tolist() == ["rnn", "own", "broken"]
    works = cube.sel(architecture=["rnn", "own"])
    assert (works.status == "ok").all()
    assert np.isfinite(works.relative_mse).all()
    broken = cube.sel(architecture="broken")
    assert (broken.status == "failed").all()
    assert broken.relative_mse.isnull().all()
    for text in broken.message.values.ravel():
        assert text.startswith("architecture broken.py:Own, width 4")
        assert "KeyError: 'mine'" in text
    assert cube.attrs["seeds"] == '{"data": 0, "members": [0, 1]}'
    assert json.loads(cube.attrs["settings"])["training"]["optimiser"]["weight_decay"] == 0
    printed = (finished / "finished.log").read_text()
    assert "own code broke: 2" in printed
    assert "Width growth (curse of memory): NOT DECIDED BY THIS STUDY" in printed


def test_all_files_of_a_run(finished: Path) -> None:
    results = finished / RESULTS
    assert {p.name for p in (results / "figures").iterdir()} == {
        f"{name}.{kind}" for name in FIGURES for kind in ("html", "svg", "png", "json")
    }
    assert {p.suffix for p in results.glob("scoreboard.*")} == {".csv", ".md", ".txt"}
    report = (results / "report.html").read_text()
    assert all(f'id="{name}"' in report for name in FIGURES)
    for page in (results / "report.html", *(results / "figures").glob("*.html")):
        assert addresses(page.read_text()) == []  # it works offline
    for stage, count in (("datasets", 2), ("training", 3), ("evaluation", 3)):
        assert len(list((results / "logs" / stage).rglob("*.log"))) == count
        assert len(list((results / "benchmarks" / stage).rglob("*.tsv"))) == count
    log = results / "logs/training/study/broken/width=4/impulse/part=1.log"
    assert "FAILED, and recorded as such" in log.read_text()
    for record in (results / "training").rglob("*.nc"):
        with xr.open_dataset(record) as training:
            assert training.attrs["precision"] == "float32, no TF32"
    assert not list(results.rglob("*.tmp"))


def test_a_study_that_has_grown_trains_only_what_is_new(project: Project) -> None:
    """Another seed and budget, other jobs for the same cells, and a model that was mended."""
    project.set("training.seeds", [0, 1, 2])
    project.set("training.steps", [20, 40, 60])
    project.set("training.cells_per_job", 1)
    project.edit("broken.py", BROKEN + " #", "return 1.0")
    evaluation = RESULTS / "evaluation/study/broken/width=4/impulse.nc"
    part = "training/study/rnn/width=4/impulse/part=2"
    project.run(str(RESULTS / f"{part}.nc"), str(evaluation))
    log = (project.folder / RESULTS / f"logs/{part}.log").read_text()
    assert log.count("found finished") == 8  # two budgets x two learning rates x two seeds
    assert log.count(": trained") == 10
    with xr.open_dataset(project.folder / evaluation) as group:
        assert (group.status == 1).all()


def test_studies_never_overwrite_each_others_results(project: Project) -> None:
    (project.folder / "study.yaml").rename(project.folder / "other.yaml")
    project.file = "other.yaml"
    done = project.snakemake("-n", "all")
    assert done.returncode != 0
    expected = "results/small belongs to the study file study.yaml, not to other.yaml"
    assert expected in said(done)
