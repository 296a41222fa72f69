"""A study run for real, and what a user sees when something is wrong."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

import mfbench
from tests.workflow.conftest import Project


def addresses(page: str) -> list[str]:
    """What the elements of a page load from elsewhere."""
    found: list[str] = []

    class Elements(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            if tag in ("script", "link", "img", "iframe"):
                found.extend(v for k, v in attrs if k in ("src", "href") and v)

    Elements().feed(page)
    return found


def test_the_cube_of_a_run_is_complete(finished: Path) -> None:
    cube = mfbench.open_benchmark(finished / "results/small/cubes/benchmark.nc")
    assert cube.architecture.values.tolist() == ["rnn", "s4d"]
    trained = cube.status.sel(kernel="exponential")
    assert (trained == "ok").all()
    assert (cube.status.sel(kernel="impulse", level=1) == "absent").all()
    assert np.isfinite(cube.relative_mse.sel(kernel="exponential")).all()
    assert cube.attrs["seeds"] == '{"data": 0, "members": [0, 1]}'
    assert json.loads(cube.attrs["settings"])["architectures"]["s4d"]["options"]["state"] == 4


def test_figures_and_report_of_a_run(finished: Path) -> None:
    results = finished / "results/small"
    names = {"error_by_memory_length", "error_map", "memory_functions", "training_curves"}
    assert {p.name for p in (results / "figures").iterdir()} == {
        f"{name}.{kind}" for name in names for kind in ("html", "svg", "png", "json")
    }
    report = (results / "report.html").read_text()
    for name in names:
        assert f'id="{name}"' in report
    for page in (results / "report.html", *(results / "figures").glob("*.html")):
        assert addresses(page.read_text()) == []  # it works offline


def test_every_compute_job_leaves_a_log_and_a_benchmark(finished: Path) -> None:
    results = finished / "results/small"
    for stage, count in (("datasets", 3), ("training", 6), ("evaluation", 4), ("figures", 4)):
        assert len(list((results / "logs" / stage).rglob("*.log"))) == count
        assert len(list((results / "benchmarks" / stage).rglob("*.tsv"))) == count
    assert not list(results.rglob("*.tmp"))


def test_a_misspelled_key_stops_before_anything_runs(fresh: Project) -> None:
    fresh.configure(lambda s: s["training"].update(stepps=3))
    done = fresh.snakemake("all")
    assert done.returncode != 0
    said = done.stdout + done.stderr
    assert "study.yaml is not a valid study" in said
    assert "training.stepps: unknown key; allowed here: batch_size" in said
    assert "Traceback" not in said
    assert not (fresh.folder / "results").exists()


def test_a_study_given_on_the_command_line_is_not_merged_into_the_default(fresh: Project) -> None:
    done = fresh.snakemake("--dry-run", "all")
    assert "transformer" not in done.stdout + done.stderr


def test_studies_never_overwrite_each_others_results(project: Project) -> None:
    study = (project.folder / "study.yaml").read_text()
    (project.folder / "other.yaml").write_text(study)
    import subprocess
    import sys

    done = subprocess.run(
        [sys.executable, "-m", "snakemake", "-n", "all", "--configfile", "other.yaml"],
        cwd=project.folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert (
        "results/small belongs to the study file study.yaml, not to other.yaml"
        in done.stdout + done.stderr
    )


def test_a_partial_study_aggregates(project: Project) -> None:
    project.configure(lambda s: s["architectures"].update(gru={"widths": [4]}))
    (project.folder / "results/small/evaluation/s4d/width=4/impulse.nc").unlink()
    done = project.snakemake("results/small/cubes/partial.nc")
    assert done.returncode == 0, done.stdout + done.stderr
    cube = mfbench.open_benchmark(project.folder / "results/small/cubes/partial.nc")
    assert cube.architecture.values.tolist() == ["rnn", "s4d"]
    assert (cube.status.sel(architecture="s4d", kernel="impulse") == "absent").all()
    assert (cube.status.sel(architecture="rnn", kernel="impulse", level=0) == "ok").all()


def test_an_architecture_that_fails_is_named_in_its_log(project: Project) -> None:
    (project.folder / "bad.py").write_text(
        "from mfbench.architectures.mixer import Mixer\n\n"
        "class Bad(Mixer):\n"
        "    def __init__(self, width, layer, length):\n        super().__init__()\n\n"
        "    def forward(self, u):\n        return u.flip(1)\n"
    )
    project.configure(
        lambda s: s["architectures"].update(bad={"model": "bad.py:Bad", "widths": [4]})
    )
    done = project.snakemake("all")
    assert done.returncode != 0
    assert "the model is not causal" in done.stdout + done.stderr  # the log of the failed job


@pytest.mark.parametrize(
    ("device", "expected"), [("cpu", "gpu=0"), ("cuda", "gpu=1")], ids=["cpu", "cuda"]
)
def test_training_asks_for_a_gpu_where_the_study_does(
    fresh: Project, device: str, expected: str
) -> None:
    fresh.configure(lambda s: s["training"].update(device=device))
    said = fresh.snakemake("--dry-run", "all")
    jobs = (said.stdout + said.stderr).split("rule ")
    for job in jobs[1:]:
        found = re.search(r"gpu=\d", job)
        rule = job.split(":")[0]
        if rule == "train":
            assert found
            assert found[0] == expected
        elif rule not in ("all", "stats"):
            assert found
            assert found[0] == "gpu=0", rule
