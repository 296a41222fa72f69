"""A whole study from an empty folder: this tree against another one, and where its time goes."""

from __future__ import annotations

import csv
import functools
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np
import yaml

from benchmarks.scale import copy_of_the_tree
from benchmarks.table import ROOT, Options, Row, in_turns, over
from benchmarks.tree import importing

CORES = 2


@dataclass(frozen=True)
class Cost:
    """What a run of a study cost.

    Attributes
    ----------
    clock : float
        Seconds of the whole command.
    members : float
        Seconds inside members, as the training records have them, summed.
    jobs : dict
        Seconds of all jobs by stage, from Snakemake's benchmark files, summed.
    """

    clock: float
    members: float
    jobs: Mapping[str, float]

    def shares(self) -> dict[str, float]:
        """Core-seconds by what they were spent on, as shares of cores x clock."""
        parts = {"training, inside members": self.members, **self.jobs}
        training = parts.pop("training", 0.0)
        parts["training, the rest of its jobs"] = training - self.members
        parts["Snakemake, and cores that wait"] = CORES * self.clock - sum(parts.values())
        return {name: seconds / (CORES * self.clock) for name, seconds in parts.items()}


def quarter(tree: Path, *, quick: bool) -> dict[str, Any]:
    """The default study of a tree with one of its four kernels."""
    study: dict[str, Any] = yaml.safe_load((tree / "config.yaml").read_text())
    study |= {"name": "quarter", "kernels": {"airy": study["kernels"]["airy"]}}
    study["training"]["device"] = "cpu"
    if quick:
        study["architectures"] = {"rnn": {"widths": [4]}}
        study["kernels"] = {"airy": {"memory_length": [4, 8]}}
        study["training"]["steps"] = 8
    return study


def run(tree: Path, study: Mapping[str, Any]) -> Cost:
    """Run a study in a copy of a tree."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "tree"
        folder.mkdir()
        copy_of_the_tree(folder, tree)
        (folder / "study.yaml").write_text(yaml.safe_dump(dict(study)))
        command = (sys.executable, "-m", "snakemake", "--cores", str(CORES), "all")
        started = time.perf_counter()
        done = subprocess.run(
            [*command, "--configfile", "study.yaml"],
            cwd=folder,
            env=importing(folder),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        clock = time.perf_counter() - started
        if done.returncode:
            raise SystemExit(done.stdout[-3000:])
        results = folder / "results" / study["name"]
        return Cost(clock, seconds_inside_members(results), seconds_of_jobs(results))


def seconds_inside_members(results: Path) -> float:
    """What the training records say."""
    total = 0.0
    for path in (results / "training").rglob("*.nc"):
        with netCDF4.Dataset(path) as file:
            total += float(np.nansum(np.ma.filled(file["seconds"][:], np.nan)))
    return total


def seconds_of_jobs(results: Path) -> dict[str, float]:
    """Seconds of all jobs by stage, from Snakemake's benchmark files."""
    total: dict[str, float] = {}
    folder = results / "benchmarks"
    for path in sorted(folder.rglob("*.tsv")):
        stage = path.relative_to(folder).parts[0].removesuffix(".tsv")
        with path.open() as file:
            seconds = sum(float(row["s"]) for row in csv.DictReader(file, delimiter="\t"))
        total[stage] = total.get(stage, 0.0) + seconds
    return total


def rows(options: Options) -> Iterator[Row]:
    """Wall clock, overhead, and where the time of both trees went."""
    study = quarter(options.against, quick=options.quick)
    trees = {"this": ROOT, options.name: options.against}
    costs_of = in_turns(
        {name: functools.partial(run, tree, study) for name, tree in trees.items()},
        options.study_rounds,
    )
    whole = [[cost.clock for cost in costs] for costs in costs_of.values()]
    this, other = (statistics.median(clocks) for clocks in whole)
    what = f"a quarter of the default study, snakemake --cores {CORES} all"
    remark = f"{this:.0f} s against {other:.0f} s"
    yield Row("study", f"{what}: wall clock, this / {options.name}", over(*whole), remark)
    for name, costs in costs_of.items():
        ideal = [cost.members / CORES for cost in costs]
        ratios = over([cost.clock for cost in costs], ideal)
        remark = f"{statistics.median(ideal):.0f} s inside members on each core"
        remark += "; aim at most 1.35" if name == "this" else ""
        yield Row("study", f"{name}: wall clock / seconds inside members per core", ratios, remark)
    for name, costs in costs_of.items():
        found = [cost.shares() for cost in costs]
        for stage in found[0]:
            shares = [each.get(stage, 0.0) for each in found]
            seconds = statistics.median(
                CORES * cost.clock * share for cost, share in zip(costs, shares, strict=True)
            )
            yield Row("study", f"{name}: share of {stage}", shares, f"{seconds:.0f} core-seconds")
