"""A study run for real, and what a user sees when something is wrong."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

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
    names = {"error_by_memory_length", "error_map", "failure_boundaries"}
    names |= {"memory_functions", "training_curves", "lags_over_training"}
    names |= {"distance_to_optimum", "error_parts", "weight_perturbation", "length_generalisation"}
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
    for stage, count in (("datasets", 3), ("training", 4), ("evaluation", 4)):
        assert len(list((results / "logs" / stage).rglob("*.log"))) == count
        assert len(list((results / "benchmarks" / stage).rglob("*.tsv"))) == count
    assert not list(results.rglob("*.tmp"))


def test_a_record_says_what_float32_means(finished: Path) -> None:
    for record in (finished / "results/small/training").rglob("*.nc"):
        with xr.open_dataset(record) as training:
            assert training.attrs["precision"] == "float32, no TF32"


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
    assert done.returncode == 0
    said = done.stdout + done.stderr
    assert "architecture=s4d" in said
    assert "transformer" not in said


def test_studies_never_overwrite_each_others_results(project: Project) -> None:
    study = (project.folder / "study.yaml").read_text()
    (project.folder / "other.yaml").write_text(study)
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


def test_the_paper_study_can_be_planned(fresh: Project) -> None:
    (fresh.folder / "study.yaml").write_text((fresh.folder / "config/paper.yaml").read_text())
    planned = fresh.planned("all")
    assert planned["dataset"] == 4 * 11
    assert planned["train"] == 4 * 11 * 7 * 4


def test_a_study_killed_in_the_middle_of_training_goes_on_to_the_same_cube(
    fresh: Project, tmp_path: Path
) -> None:
    """SIGKILL for Snakemake and the job, once both members have saved a checkpoint."""

    def configure(study: dict[str, Any]) -> None:
        study["kernels"] = {"impulse": {"rho": [3]}}
        study["architectures"] = {"gru": {"widths": [4]}}
        study["training"].update(steps=1500, learning_rates=[0.01], checkpoints={"minutes": 0.003})

    fresh.configure(configure)
    undisturbed = tmp_path / "undisturbed"
    shutil.copytree(fresh.folder, undisturbed, ignore=shutil.ignore_patterns("undisturbed"))
    cube = "results/small/cubes/benchmark.nc"
    running = fresh.start(cube)
    folder = fresh.folder / "results/small/checkpoints/gru/width=4/impulse/rho=3"
    second = folder / "learning_rate=0.01,seed=1.safetensors"
    deadline = time.monotonic() + 400
    while not second.exists():
        assert running.poll() is None, "the study ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.01)
    os.killpg(running.pid, signal.SIGKILL)
    running.wait()
    record = fresh.folder / "results/small/training/study/gru/width=4/impulse/part=1.nc"
    assert not record.exists()
    assert fresh.snakemake("--unlock").returncode == 0
    done = fresh.snakemake(cube)
    assert done.returncode == 0, done.stdout + done.stderr
    log = fresh.folder / "results/small/logs/training/study/gru/width=4/impulse/part=1.log"
    log = log.read_text()
    assert re.search(r"seed 0: went on at step [1-9]\d*,", log)
    assert Project(undisturbed).snakemake(cube).returncode == 0
    cubes = [
        mfbench.open_benchmark(path / cube).drop_vars("seconds")
        for path in (fresh.folder, undisturbed)
    ]
    xr.testing.assert_equal(*cubes)


# What the forward pass of an architecture does, and what is said of it.
BROKEN = {
    "raises": ("raise KeyError('mine')", "KeyError: 'mine'"),
    "shape": ("return u[:, :-1]", "the model maps (2, 16, 1) to (2, 15, 1), not to (B, T, 1)"),
    "nan": ("return u * float('nan')", "the untrained model returns numbers that are not finite"),
    "leaks": ("return u.flip(1)", "the model is not causal: y_t depends on"),
    "stretched": ("return u * (1 / (u.shape[1] <= 16))", ""),  # loses longer sequences alone
}


def add_broken(project: Project, *names: str) -> None:
    for name in names:
        (project.folder / f"{name}.py").write_text(
            "from mfbench.models.mixer import Mixer\n\n"
            "class Own(Mixer):\n"
            "    def __init__(self, width, layer, length):\n        super().__init__()\n\n"
            f"    def forward(self, u):\n        {BROKEN[name][0]}\n"
        )
    added = {name: {"model": f"{name}.py:Own", "widths": [4]} for name in names}
    project.configure(lambda s: s["architectures"].update(added))


def test_a_study_can_ask_to_stop_at_broken_code(project: Project) -> None:
    add_broken(project, "leaks")
    project.configure(lambda s: s["training"].update(broken="stop"))
    done = project.snakemake("all")
    assert done.returncode != 0
    said = done.stdout + done.stderr  # with the log of the failed job
    assert f"architecture leaks.py:Own, width 4: {BROKEN['leaks'][1]}" in said


def test_architectures_that_break_do_not_stop_a_study(project: Project) -> None:
    target = "results/small/cubes/benchmark.nc"
    before = mfbench.open_benchmark(project.folder / target)
    add_broken(project, *BROKEN)
    project.configure(lambda s: s["training"].update(cells_per_job=2))
    done = project.snakemake(target)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "12 cells of this study failed" in done.stderr
    assert project.planned(target) == {}
    cube = mfbench.open_benchmark(project.folder / target)
    kept = cube.sel(architecture=before.architecture)
    for name in ("relative_mse", "status", "validation_error", "boundary_memory_length"):
        xr.testing.assert_equal(kept[name].drop_vars("seconds", errors="ignore"), before[name])
    for name, (_, message) in BROKEN.items():
        own = cube.sel(architecture=name)
        if name == "stretched":
            assert (own.status == "failed").sum() == 0
            assert np.isfinite(own.relative_mse).sum() == 3 * 4
            assert own.generalisation_error.isnull().all()
            why = {t for t in own.generalisation_message.values.ravel().tolist() if t}
            assert why == {"on sequences of 32 steps: ZeroDivisionError: division by zero"}
            continue
        there = own.status != "absent"
        assert int(there.sum()) == 3 * 4  # two levels and one, of four members each
        assert (own.status == "failed").equals(there)
        assert own.relative_mse.isnull().all()
        texts = {t for t in own.message.values.ravel().tolist() if t}
        assert all(t.startswith(f"architecture {name}.py:Own, width 4") for t in texts)
        assert all(message in t for t in texts)
        assert texts
        logs = (project.folder / "results/small/logs").rglob(f"*/{name}/**/*.log")
        assert any("FAILED, and recorded as such" in log.read_text() for log in logs)
    # Mended, it is trained like any other.
    project.edit("raises.py", BROKEN["raises"][0], "return u")
    target = "results/small/evaluation/study/raises/width=4/impulse.nc"
    done = project.snakemake(target)
    assert done.returncode == 0, done.stdout + done.stderr
    with xr.open_dataset(project.folder / target) as group:
        assert (group.status == 1).all()


@pytest.mark.parametrize(
    ("device", "expected"),
    [("cpu", {"gpu=0", "gpu_slots=0"}), ("cuda", {"gpu=1", "gpu_slots=250000"})],
    ids=["cpu", "cuda"],
)
def test_training_asks_for_a_gpu_where_the_study_does(
    fresh: Project, device: str, expected: set[str]
) -> None:
    fresh.configure(lambda s: s["training"].update(device=device, jobs_per_gpu=4))
    done = fresh.snakemake("--dry-run", "all")
    assert done.returncode == 0
    asked: dict[str, set[str]] = {}
    for rule, job in re.findall(r"^rule (\w+):\n((?: .*\n)+)", done.stdout + done.stderr, re.M):
        asked.setdefault(rule, set()).update(re.findall(r"\bgpu\w*=\d+", job))
    asked.pop("all", None)
    assert asked.pop("train") == expected
    # Evaluations use a GPU that is there, and never ask a cluster for one.
    assert asked.pop("evaluate") == {"gpu=0", *(e for e in expected if "slots" in e)}
    assert set(asked) == {
        "dataset",
        "floors",
        "benchmark_cube",
        "report_page",
    }
    assert set().union(*asked.values()) == {"gpu=0"}


@pytest.mark.parametrize("jobs", [1, 4])
def test_as_many_jobs_share_a_gpu_as_the_study_says(project: Project, jobs: int) -> None:
    # A GPU for the plan alone: the jobs find none and train on the CPU.
    project.edit(
        "mfbench/workflow/gpus.py", "    if not _torch_is", "    return 1\n    if not _torch_is"
    )
    project.configure(lambda s: s["training"].update(jobs_per_gpu=jobs))
    results = project.folder / "results/small"
    records = sorted((results / "training").rglob("*.nc"))
    for record in records:
        record.unlink()
    targets = [str(record.relative_to(project.folder)) for record in records]
    done = project.snakemake(*targets, "--cores", "4")
    assert done.returncode == 0, done.stdout + done.stderr
    times = []
    for record in records:
        measured = (results / "benchmarks" / record.relative_to(results)).with_suffix(".tsv")
        seconds = float(measured.read_text().splitlines()[1].split("\t")[0])
        end = measured.stat().st_mtime
        times.append((end - seconds, end))
    times.sort()
    overlaps = [next_start < end for (_, end), (next_start, _) in pairwise(times)]
    assert len(overlaps) == 3
    assert any(overlaps) == (jobs > 1)
