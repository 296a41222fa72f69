"""Plans of many cells: what they hold, and that planning does not grow faster than they do."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
import yaml

from tests.conftest import REPOSITORY
from tests.workflow.conftest import Project, copy_of_the_tree

pytestmark = pytest.mark.scale

# Calls by file of the package, of the rules and of the system in a dry run.
COUNT = """
import cProfile, json, os, pstats, sys
from snakemake.cli import main
profile = cProfile.Profile()
try:
    profile.runcall(main)
except SystemExit as end:
    assert not end.code
here = os.getcwd()
calls = {}
for (file, line, name), (_, number, *_) in pstats.Stats(profile).stats.items():
    if file.startswith(here):
        where = os.path.relpath(file, here) + ":" + name
    elif name in ("<built-in method posix.stat>", "<built-in method io.open>"):
        where = name
    else:
        continue
    calls[where] = calls.get(where, 0) + number
json.dump(calls, open("calls.json", "w"))
"""


@pytest.fixture(scope="module")
def benchmark() -> ModuleType:
    """benchmarks/scale.py, whose studies these are."""
    where = REPOSITORY / "benchmarks" / "scale.py"
    spec = importlib.util.spec_from_file_location("scale", where)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def study_of(cells: int, benchmark: ModuleType, folder: Path, per_architecture: int) -> Project:
    copy_of_the_tree(folder)
    study = benchmark.make_study(
        cells, levels=5, per_architecture=per_architecture, cells_per_job=1
    )
    (folder / "study.yaml").write_text(yaml.safe_dump(study))
    return Project(folder)


def test_a_thousand_cells_are_a_thousand_trainings(benchmark: ModuleType, tmp_path: Path) -> None:
    project = study_of(1000, benchmark, tmp_path, 100)
    done = project.snakemake("results/scale/cubes/benchmark.nc", "--dry-run")
    assert done.returncode == 0, done.stdout + done.stderr
    said = done.stdout + done.stderr
    jobs = re.findall(r"^rule (\w+):\n    input: (.*)\n", said, re.MULTILINE)
    inputs: dict[str, list[list[str]]] = {}
    for rule, files in jobs:
        inputs.setdefault(rule, []).append(files.split(", "))
    numbers = {rule: len(files) for rule, files in inputs.items()}
    assert numbers == {"train": 1000, "evaluate": 200, "benchmark_cube": 1}
    assert len(inputs["benchmark_cube"][0]) == 200


def test_calls_per_cell_do_not_grow(benchmark: ModuleType, tmp_path: Path) -> None:
    calls = []
    for cells in (200, 800):
        folder = tmp_path / str(cells)
        folder.mkdir()
        project = study_of(cells, benchmark, folder, 20)  # all models in both
        target = ["results/scale/cubes/benchmark.nc", "--dry-run", "--quiet", "rules", "progress"]
        subprocess.run(
            [sys.executable, "-c", COUNT, *target, "--configfile", "study.yaml", "--cores", "1"],
            cwd=project.folder,
            capture_output=True,
            check=True,
            env={**os.environ, "PYTHONPATH": str(project.folder)},
        )
        calls.append(json.loads((project.folder / "calls.json").read_text()))
    few, many = calls
    assert sum(many.values()) > 2 * 800  # they were counted
    assert {name: n for name, n in many.items() if n > 4 * few.get(name, 0)} == {}
    # What the code says is read once, however many cells run it.
    once = "mfbench/workflow/code.py:normalised"
    assert many[once] == few[once]
