"""A study whose pilot chooses the learning rates, for real."""

from __future__ import annotations

from pathlib import Path

import mfbench
from mfbench.files import read_json
from tests.workflow.conftest import Project

RATES = [1e-6, 0.001, 0.03, 0.1]
RESULTS = Path("results/small")
CUBE = str(RESULTS / "cubes/benchmark.nc")


def test_a_pilot_keeps_the_rates_around_the_best_one(fresh: Project) -> None:
    fresh.set("training.learning_rates", RATES)
    fresh.set("pilot", {"seed": 7, "keep": 2})
    fresh.run(CUBE)
    results = fresh.folder / RESULTS
    (group,) = read_json(results / "phases/study.json")["groups"]
    assert [level["rho"] for level in group["levels"]] == [0, 5]
    (kept,) = {tuple(sorted({run[1] for run in level["runs"]})) for level in group["levels"]}
    assert kept in {(0.001, 0.03), (0.03, 0.1)}
    cube = mfbench.open(fresh.folder / CUBE)
    assert cube.learning_rate.values.tolist() == RATES
    assert cube.seed.values.tolist() == [0, 1]  # the pilot's own seed is no member
    ran = (cube.status == "ok").all(["architecture", "width", "kernel", "level", "budget", "seed"])
    assert cube.learning_rate.values[ran.values].tolist() == list(kept)
    assert ((cube.status == "ok").any(["budget", "seed"]) == ran).all()
    assert not (results / "evaluation/pilot").exists()
    assert fresh.planned(CUBE) == {}
