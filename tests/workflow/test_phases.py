"""The later phases, for real: levels around each boundary, causes, and nothing run twice."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import mfbench
from mfbench.cube.failure_boundaries import CENSORED
from mfbench.files import read_json
from tests.workflow.conftest import Project, copied, said

RESULTS = Path("results/small")
CUBE = str(RESULTS / "cubes/benchmark.nc")
# Its weights have so far to go that three times the steps do not take them there, but a high
# learning rate does.
TIMID = """import torch
from mfbench.models.convolution import causal_convolution
from mfbench.models.mixer import Mixer
from torch import nn


class Timid(Mixer):
    def __init__(self, width, layer, length):
        super().__init__()
        self.k = nn.Parameter(torch.randn(width, length))

    def forward(self, u):
        return 0.005 * causal_convolution(u, self.k)
"""
GROUPS = ("rnn", "own", "timid", "broken")
REFINE = {
    "phase_cube": 1,
    "refine": 1,
    "evaluated": 1,
    "listed_baselines": 1,
    "benchmark_cube": 1,
}
BOTH = REFINE | {"diagnose": 1, "evaluated": 2}


@pytest.fixture(scope="module")
def diagnosed(finished: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The finished study, to which a model and both later phases were added."""
    project = copied(finished, tmp_path_factory.mktemp("diagnosed") / "project")
    (project.folder / "timid.py").write_text(TIMID)
    project.set("architectures.timid", {"model": "timid.py:Timid", "widths": [4]})
    project.set("refine.levels", 2)
    project.set("diagnose", {"steps": 3, "learning_rates": 2, "seeds": 2})
    project.run(CUBE)
    return project.folder


@pytest.fixture
def project(diagnosed: Path, tmp_path: Path) -> Project:
    return copied(diagnosed, tmp_path / "project")


def files(folder: Path, pattern: str) -> dict[str, int]:
    """Time of change of each file of the results."""
    root = folder / RESULTS
    return {str(f.relative_to(root)): f.stat().st_mtime_ns for f in root.glob(pattern)}


def test_levels_are_added_around_each_boundary_and_the_first_phase_stays(
    finished: Path, diagnosed: Path
) -> None:
    entries = read_json(diagnosed / RESULTS / "phases/refine.json")["groups"]
    assert [(e["architecture"], e["width"], e["kernel"]) for e in entries] == [
        ("own", 4, "impulse"),
        ("rnn", 4, "impulse"),
    ]
    for entry in entries:
        assert [(level["memory_length"], level["rho"]) for level in entry["levels"]] == [
            (2, 1.0),
            (3, 2.0),
        ]
    for stage in ("datasets", "training", "evaluation"):
        before, after = (files(folder, f"{stage}/**/*.nc") for folder in (finished, diagnosed))
        assert before.items() < after.items()
        if stage != "datasets":  # one job for both levels of a group
            assert len(files(diagnosed, f"{stage}/refine/**/*.nc")) == 2


def test_the_cube_holds_the_levels_of_both_phases(diagnosed: Path) -> None:
    cube = mfbench.open(diagnosed / CUBE)
    first = mfbench.open(diagnosed / RESULTS / "cubes/study.nc")
    assert cube.memory_length.sel(kernel="impulse").values.tolist() == [1, 2, 3, 6]
    assert cube.rho.sel(kernel="impulse").values.tolist() == [0, 1, 2, 5]
    works = cube.sel(architecture=["rnn", "own"])
    assert (works.status == "ok").all()
    assert np.isfinite(works.relative_mse).all()
    # With one state, a lag of 1 costs nothing, and a window of 8 sees all lags.
    assert cube.ridge_window.sel(kernel="impulse").values.tolist() == [1, 2, 4, 8]
    systems = works.linear_system_error.sel(architecture="own", width=4, kernel="impulse")
    assert (systems.values > 0.5).tolist() == [False, False, True, True]
    assert (cube.status.sel(architecture="broken", level=[1, 2]) == "absent").all()
    np.testing.assert_array_equal(cube.relative_mse.isel(level=[0, 3]), first.relative_mse)
    before, after = (c.sel(architecture="own", width=4, kernel="impulse") for c in (first, cube))
    for boundary, between in ((before, 6), (after, 2)):  # it has no memory, at any budget
        assert (boundary.boundary_censored == CENSORED.index("none")).all()
        np.testing.assert_allclose(boundary.boundary_memory_length, np.sqrt(1 * between))
    assert json.loads(cube.attrs["settings"])["refine"] == {"levels": 2}


def test_a_fresh_study_plans_the_first_phase_and_the_checkpoint(fresh: Project) -> None:
    fresh.set("refine", {})
    first = {"dataset": 2, "floors": 2, "baselines": 2, "train": 1, "evaluate": 1}
    assert fresh.planned(CUBE) == {**first, **REFINE}


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda s: s["training"].update(device="cpu"), {}),
        (lambda s: (s.pop("refine"), s.pop("diagnose")), {"benchmark_cube": 1}),
        # The checkpoint says which levels are new; the first phase stays.
        (lambda s: s["refine"].update(levels=3), BOTH),
        (lambda s: s["evaluation"].update(success=0.6), {**BOTH, "phase_cube": 2}),
    ],
    ids=["another device", "taken out", "more levels", "another threshold"],
)
def test_changes_rerun_what_depends_on_them(
    project: Project, change: Callable[[dict[str, Any]], Any], expected: dict[str, int]
) -> None:
    project.configure(change)
    planned = project.planned(CUBE)
    # Snakemake counts a job that waits for the checkpoint where it may have to run.
    planned -= Counter(train=2, evaluate=2) if "refine" in planned else Counter()
    assert planned == expected


def test_a_broken_list_of_the_second_phase_is_named(project: Project) -> None:
    """One digit has changed: no other level is trained, and none is lost."""
    file = RESULTS / "phases/refine.json"
    project.edit(str(file), "4", "6")
    (project.folder / CUBE).unlink()
    done = project.snakemake("-n", CUBE)
    assert done.returncode != 0
    assert f"{file}: corrupt, its content does not match its seal" in said(done)


def test_each_failure_has_its_cause(diagnosed: Path) -> None:
    cube = mfbench.open(diagnosed / CUBE)
    # The study's own members alone: those of the diagnosis are evidence.
    members = {"budget": [20, 40], "learning_rate": [0.01, 0.03], "seed": [0, 1]}
    assert {name: cube[name].values.tolist() for name in members} == members
    cells = cube.sel(width=4, kernel="impulse")
    assert cells.rho.values.tolist() == [0, 1, 2, 5]
    assert {name: cells.cause.sel(architecture=name).values.tolist() for name in GROUPS} == {
        "rnn": ["", "", "budget", "not diagnosed"],
        "own": ["", "unresolved", "out of reach", "out of reach"],  # it has no memory
        "timid": ["learning rate", "", "", "not diagnosed"],  # no boundary: no level between
        "broken": [""] * 4,
    }
    evidence = cells.cause_evidence
    for name, level, expected in (
        ("rnn", 2, "2 of 2 with 120 steps"),
        ("own", 3, "model of state size 1 has a relative error below "),
        ("timid", 0, "2 of 2 at learning rates 0.09, 0.27"),
    ):
        assert expected in evidence.sel(architecture=name).item(level)


def test_a_diagnosis_lists_and_trains_what_it_needs(diagnosed: Path) -> None:
    results = diagnosed / RESULTS
    listed = read_json(results / "phases/diagnose.json")["groups"]
    cells = {g["architecture"]: [level["rho"] for level in g["levels"]] for g in listed}
    assert cells == {"own": [1.0], "rnn": [2.0], "timid": [0.0]}
    evaluated = read_json(results / "phases/diagnose_evaluated.json")["files"]
    made = {f"evaluation/diagnose/{name}/width=4/impulse.nc" for name in cells}
    assert {str(Path(file).relative_to(RESULTS)) for file in evaluated} == made
    assert files(diagnosed, "evaluation/diagnose/**/*.nc").keys() == made
    assert len(files(diagnosed, "training/diagnose/**/*.nc")) == len(cells)
    cubes = files(diagnosed, "cubes/*.nc")
    assert cubes.keys() == {f"cubes/{name}.nc" for name in ("study", "refine", "benchmark")}


def test_after_all_phases_nothing_is_to_be_done(diagnosed: Path) -> None:
    assert Project(diagnosed).planned(CUBE) == {}
