"""A study in parts: real runs beside each other, and then one that only puts them together."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

import pytest
import xarray as xr

import mfbench
from mfbench.workflow import run_lock
from tests.workflow.conftest import Project

pytestmark = pytest.mark.scale

RESULTS = "results/small"
CUBE = f"{RESULTS}/cubes/benchmark.nc"
ARCHITECTURES = [f"{RESULTS}/cubes/architectures/{name}.nc" for name in ("rnn", "s4d")]
BESIDE_OTHERS = ("--cores", "1", "--nolock")
KERNELS = [f"{RESULTS}/kernels/{name}.txt" for name in ("exponential", "impulse")]


@pytest.fixture
def project(begun: Path, tmp_path: Path) -> Project:
    shutil.copytree(begun, tmp_path / "project")
    return Project(tmp_path / "project")


@pytest.fixture(scope="module")
def undivided(begun: Path, tmp_path_factory: pytest.TempPathFactory) -> xr.Dataset:
    """The cube of one run of the whole study."""
    folder = tmp_path_factory.mktemp("undivided") / "project"
    shutil.copytree(begun, folder)
    done = Project(folder).snakemake(CUBE)
    assert done.returncode == 0, done.stdout + done.stderr
    return mfbench.open_benchmark(folder / CUBE).drop_vars("seconds")


@pytest.mark.parametrize(
    ("targets", "left"),
    [
        (ARCHITECTURES, {"benchmark_cube": 1}),
        (KERNELS, {"architecture_cube": 2, "benchmark_cube": 1}),
    ],
    ids=["by architecture", "by kernel"],
)
def test_parts_run_beside_each_other_and_make_the_same_cube(
    project: Project, undivided: xr.Dataset, targets: list[str], left: dict[str, int]
) -> None:
    logs = [f"{Path(target).stem}.log" for target in targets]
    running = [
        project.start(*BESIDE_OTHERS, t, log=log) for t, log in zip(targets, logs, strict=True)
    ]
    for run, log in zip(running, logs, strict=True):
        assert run.wait(timeout=300) == 0, project.said(log)
    assert project.planned(CUBE) == left  # nothing is trained or evaluated again
    done = project.snakemake(CUBE)
    assert done.returncode == 0, done.stdout + done.stderr
    assert project.planned(CUBE) == {}
    cube = mfbench.open_benchmark(project.folder / CUBE).drop_vars("seconds")
    for attribute in ("history", "git_commit"):
        cube.attrs[attribute] = undivided.attrs[attribute]
    xr.testing.assert_identical(cube, undivided)


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        (ARCHITECTURES[0], {"train": 2, "evaluate": 2, "architecture_cube": 1}),
        (KERNELS[1], {"train": 2, "evaluate": 2, "kernel_evaluations": 1}),
    ],
)
def test_a_part_plans_itself_alone(project: Project, target: str, expected: dict[str, int]) -> None:
    assert project.planned(target) == expected


def test_a_part_that_is_at_work_already_is_refused(project: Project) -> None:
    datasets = project.folder / RESULTS / "datasets"
    (free,) = (f"{RESULTS}/datasets/exponential/{p.name}" for p in datasets.glob("exponential/*"))
    shutil.rmtree(datasets)
    run_lock.lock_parts(project.folder / RESULTS, ["dataset of impulse"])
    try:
        same = project.snakemake("--nolock", f"{RESULTS}/datasets/impulse/rho=3.nc")
        said = same.stdout + same.stderr
        assert same.returncode != 0
        assert f"another run is at work on dataset of impulse in {RESULTS}" in said
        assert "Traceback" not in said
        other = project.snakemake("--nolock", free)
        assert other.returncode == 0, other.stdout + other.stderr
    finally:
        os.close(run_lock._held.pop())
    again = project.snakemake("--nolock", f"{RESULTS}/datasets/impulse/rho=3.nc")
    assert again.returncode == 0, again.stdout + again.stderr


def test_a_part_that_was_made_while_it_was_planned_is_not_made_again(project: Project) -> None:
    # A run that waits between its planning and its locks, as a large one does.
    project.edit(
        "rules/common.smk",
        "    made = list(workflow.dag.needrun_jobs())\n",
        "    made = list(workflow.dag.needrun_jobs())\n"
        "    while os.path.exists('wait') and os.environ.get('SLOW'):\n"
        "        open('planned', 'w').close()\n"
        "        time.sleep(0.05)\n",
    )
    wait, planned = project.folder / "wait", project.folder / "planned"
    wait.touch()
    slow = project.start(*BESIDE_OTHERS, KERNELS[1], SLOW="1")
    while not planned.exists():
        assert slow.poll() is None
        time.sleep(0.05)
    done = project.snakemake("--nolock", KERNELS[1])
    assert done.returncode == 0, done.stdout + done.stderr
    record = project.folder / RESULTS / "training/rnn/width=4/impulse/rho=3.nc"
    before = record.stat().st_mtime_ns
    wait.unlink()
    assert slow.wait(timeout=120) != 0
    said = project.said()
    assert "since this one was planned: start this one again" in said
    assert "Traceback" not in said
    assert record.stat().st_mtime_ns == before
    assert project.planned(KERNELS[1]) == {}


@pytest.mark.parametrize("target", ["kernels/airy.txt", "cubes/architectures/s4.nc"])
def test_a_part_that_the_study_lacks_is_refused(project: Project, target: str) -> None:
    done = project.snakemake("--nolock", f"{RESULTS}/{target}", "--dry-run")
    assert done.returncode != 0
    assert "MissingRuleException" in done.stdout + done.stderr
