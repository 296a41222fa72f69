"""Plans of many cells: what they hold, and that planning does not grow faster than they do."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.scale import make_study
from tests.workflow.conftest import begin

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


def plan(cells: int, folder: Path) -> tuple[dict[str, list[int]], dict[str, int]]:
    """The number of inputs of each job by rule, and the calls that planning them took."""
    study = make_study(cells, levels=5, per_architecture=20, cells_per_job=1)
    project = begin(folder, study)
    target = ["results/scale/cubes/benchmark.nc", "--dry-run", "--configfile", "study.yaml"]
    done = subprocess.run(
        [sys.executable, "-c", COUNT, *target, "--cores", "1"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(project.folder)},
    )
    inputs: dict[str, list[int]] = {}
    text = done.stdout + done.stderr
    for rule, files in re.findall(r"^rule (\w+):\n    input: (.*)\n", text, re.MULTILINE):
        inputs.setdefault(rule, []).append(len(files.split(", ")))
    return inputs, json.loads((folder / "calls.json").read_text())


def test_jobs_and_calls_grow_with_the_cells_and_not_faster(tmp_path: Path) -> None:
    (_, few), (inputs, many) = (plan(cells, tmp_path / str(cells)) for cells in (140, 560))
    numbers = {rule: len(jobs) for rule, jobs in inputs.items()}
    assert numbers == {"train": 560, "evaluate": 112, "baselines": 20, "benchmark_cube": 1}
    assert inputs["benchmark_cube"] == [112 + 20]
    assert sum(many.values()) > 2 * 560  # they were counted
    assert {name: n for name, n in many.items() if n > 4 * few.get(name, 0)} == {}
    # What the code says is read once, however many cells run it.
    once = "mfbench/workflow/code.py:normalised"
    assert many[once] == few[once]
