"""The second phase, for real: levels around each boundary, and nothing run twice."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

import mfbench
from mfbench.cube.failure_boundaries import CENSORED
from mfbench.files import read_json
from tests.conftest import small_study
from tests.workflow.conftest import Project, copy_of_the_tree

RESULTS = Path("results/small")
CUBE = str(RESULTS / "cubes/benchmark.nc")
PHASE = {"study_cube": 1, "refine": 1, "evaluated": 1, "benchmark_cube": 1}


def one_boundary() -> dict[str, Any]:
    """Impulse at lag 0, which everything learns at once, and at lag 5, which 40 steps are not for.

    Exponential is easy throughout: its boundary is above the grid.
    """
    study = small_study()
    study["kernels"] = {"exponential": {"memory_length": [2]}, "impulse": {"rho": [0, 5]}}
    study["architectures"] = {"rnn": {"widths": [4]}}
    study["training"] |= {"steps": 40, "learning_rates": [0.03]}
    study["evaluation"]["success"] = 0.5
    return study


@pytest.fixture(scope="module")
def coarse(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The study, finished without a second phase."""
    folder = tmp_path_factory.mktemp("coarse")
    copy_of_the_tree(folder)
    (folder / "study.yaml").write_text(yaml.safe_dump(one_boundary(), sort_keys=False))
    done = Project(folder).snakemake(CUBE)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.fixture(scope="module")
def refined(coarse: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same, with the second phase added to the finished study."""
    folder = tmp_path_factory.mktemp("refined") / "project"
    shutil.copytree(coarse, folder)
    project = Project(folder)
    project.configure(lambda s: s.update(refine={"levels": 2}))
    # What is to be trained shows once the checkpoint has run; what was trained stays.
    planned = project.planned(CUBE)
    assert planned == PHASE
    done = project.snakemake(CUBE)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.fixture
def project(refined: Path, tmp_path: Path) -> Project:
    folder = tmp_path / "project"
    shutil.copytree(refined, folder)
    return Project(folder)


def files(folder: Path, pattern: str) -> dict[str, int]:
    """Time of change of each file of the results."""
    root = folder / RESULTS
    return {str(f.relative_to(root)): f.stat().st_mtime_ns for f in root.glob(pattern)}


def test_levels_are_added_around_the_boundary_alone(refined: Path) -> None:
    entries = read_json(refined / RESULTS / "phases/refine.json")["groups"]
    assert [(e["architecture"], e["width"], e["kernel"]) for e in entries] == [
        ("rnn", 4, "impulse")
    ]
    assert [level["memory_length"] for level in entries[0]["levels"]] == [2, 3]
    assert [level["rho"] for level in entries[0]["levels"]] == [1.0, 2.0]


def test_the_cube_holds_both_passes(refined: Path) -> None:
    cube = mfbench.open_benchmark(refined / RESULTS / "cubes/benchmark.nc")
    first = mfbench.open_benchmark(refined / RESULTS / "cubes/study.nc")
    assert cube.memory_length.sel(kernel="impulse").values.tolist() == [1, 2, 3, 6]
    assert cube.rho.sel(kernel="impulse").values.tolist() == [0, 1, 2, 5]
    impulse = cube.sel(kernel="impulse")
    assert (impulse.status == "ok").all()
    assert np.isfinite(impulse.relative_mse).all()
    np.testing.assert_array_equal(
        impulse.relative_mse.isel(level=[0, 3]), first.relative_mse.sel(kernel="impulse")
    )
    assert (cube.status.sel(kernel="exponential", level=[1, 2, 3]) == "absent").all()
    assert cube.attrs["title"] == "mfbench benchmark cube of study small"
    boundary = [c.sel(architecture="rnn", width=4, kernel="impulse") for c in (first, cube)]
    assert all(int(b.boundary_censored) == CENSORED.index("none") for b in boundary)
    assert float(boundary[0].boundary_memory_length) == pytest.approx(np.sqrt(6))  # of 1 and 6
    assert float(boundary[1].boundary_memory_length) != pytest.approx(np.sqrt(6))
    settings = json.loads(cube.attrs["settings"])
    assert settings["refine"] == {"levels": 2}


def test_the_first_pass_is_left_as_it_was(coarse: Path, refined: Path) -> None:
    for stage in ("datasets", "training", "evaluation"):
        before, after = (files(folder, f"{stage}/**/*.*") for folder in (coarse, refined))
        assert before
        assert before.items() < after.items()
    new = set(files(refined, "training/**/*.nc")) - set(files(coarse, "training/**/*.nc"))
    assert new == {"training/refine/rnn/width=4/impulse/part=1.nc"}  # one job for both
    evaluations = set(files(refined, "evaluation/**/*.nc"))
    assert evaluations - set(files(coarse, "evaluation/**/*.nc")) == {
        "evaluation/refine/rnn/width=4/impulse.nc"
    }


def test_a_second_run_has_nothing_to_do(project: Project) -> None:
    assert project.planned(CUBE) == {}


def test_a_fresh_study_plans_the_first_pass_and_the_checkpoint(fresh: Project) -> None:
    fresh.configure(lambda s: s.update(refine={}))
    first_pass = {"dataset": 3, "floors": 3, "train": 4, "evaluate": 4}
    assert fresh.planned(CUBE) == {**first_pass, **PHASE}


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda s: s.pop("refine"), {"benchmark_cube": 1}),
        # More levels: the checkpoint says which, the first pass stays.
        (
            lambda s: s["refine"].update(levels=3),
            {"refine": 1, "evaluated": 1, "benchmark_cube": 1},
        ),
        (lambda s: s["evaluation"].update(success=0.6), PHASE),
        (lambda s: s["training"].update(device="cpu"), {}),
    ],
    ids=["taken out", "more levels", "another threshold", "another device"],
)
def test_changes_rerun_what_depends_on_them(
    project: Project, change: Any, expected: dict[str, int]
) -> None:
    project.configure(change)
    planned = project.planned(CUBE)
    # Snakemake counts a job that waits for the checkpoint where it may have to run.
    planned -= Counter(train=1, evaluate=1) if "refine" in planned else Counter()
    assert planned == expected


def test_an_edited_architecture_reruns_its_cells_of_both_passes(project: Project) -> None:
    project.edit("mfbench/models/rnn.py", "self.b + self.c", "self.b - self.c")
    planned = project.planned(CUBE)
    assert planned["train"] >= 2  # both groups of the first phase
    assert planned["evaluate"] == 2
    assert planned["refine"] == 1


def test_without_a_boundary_on_the_grid_nothing_is_added(project: Project) -> None:
    project.configure(lambda s: s["evaluation"].update(success=1e-9))
    done = project.snakemake(CUBE)
    assert done.returncode == 0, done.stdout + done.stderr
    assert read_json(project.folder / RESULTS / "phases/refine.json") == {"groups": []}
    cube = mfbench.open_benchmark(project.folder / RESULTS / "cubes/benchmark.nc")
    assert cube.sizes["level"] == 2
    assert (cube.boundary_censored == CENSORED.index("below")).all()
    assert project.planned(CUBE) == {}


@pytest.mark.faults
@pytest.mark.parametrize("name", ["phases/refine.json", "phases/refine_evaluated.json"])
def test_a_broken_list_of_the_second_pass_is_named_and_made_anew(
    name: str, project: Project
) -> None:
    """One digit of a list has changed: no other level is trained, and none is lost."""
    file = project.folder / RESULTS / name
    text = file.read_text()
    file.write_text(text.replace("4", "6", 1))
    (project.folder / CUBE).unlink()
    done = project.snakemake(CUBE)
    assert done.returncode != 0
    assert f"{RESULTS / name}: corrupt, its content does not match its seal" in (
        done.stdout + done.stderr
    )
    file.unlink()
    done = project.snakemake(CUBE)
    assert done.returncode == 0, done.stdout + done.stderr
    assert project.planned(CUBE) == {}
