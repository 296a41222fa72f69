"""Estimates against what earlier jobs took, and against a run."""

from __future__ import annotations

from pathlib import Path

import netCDF4
import pytest
import yaml

from mfbench.study.study import load_study
from mfbench.workflow.estimate import estimate, makespan
from tests.conftest import small_study
from tests.results import OK, Results


@pytest.mark.parametrize(
    ("jobs", "parallel", "seconds"),
    [([], 2, 0), ([2, 2, 2], 1, 6), ([3, 1, 1, 1], 2, 3), ([1, 1, 1, 3], 2, 4), ([5, 1], 9, 5)],
)
def test_each_job_starts_as_soon_as_one_ends(jobs, parallel, seconds) -> None:
    assert makespan(jobs, parallel) == seconds


def benchmark(results: Results, kind: str, seconds: float, mb: float, **names: object) -> None:
    path = Path(results.paths.benchmark(kind).format(**names))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"s\tmax_rss\n{seconds}\t{mb}\n")


def test_earlier_jobs_say_what_a_study_takes(results: Results) -> None:
    """Each member took 2 s of 12 steps, and each job 5 s more."""
    for architecture in ("rnn", "s4d"):
        names = {"architecture": architecture, "width": 4, "kernel": "impulse", "phase": "study"}
        record = results.training(architecture, "impulse", {3.0: OK})
        with netCDF4.Dataset(record, "a") as file:
            file.setncatts({"device": "cpu: x", "parameters": 10})
            file.createDimension("step", 1)
            file.createVariable("budget", "i4", ("budget",))[:] = [12]
            file.createVariable("seconds", "f8", file["status"].dimensions)[:] = 2.0
        benchmark(results, "record", 4 * 2 + 5, 300, part=1, **names)
        results.evaluation(architecture, "impulse", {3.0: OK})
        benchmark(results, "evaluation", 3 + 4 * 0.5, 350, **names)
    found = estimate(results.study, "config.yaml", cores=2)
    training, evaluation = found.stages["training"], found.stages["evaluation"]
    # Two levels of the exponential kernel in one job, one of the impulse kernel; two architectures.
    assert sorted(training.jobs) == pytest.approx([13, 13, 21, 21])
    assert training.left == pytest.approx([21, 21])
    assert sorted(evaluation.jobs) == pytest.approx([5, 5, 7, 7])
    assert evaluation.left == pytest.approx([7, 7])
    assert (training.memory, training.basis) == (350, "earlier jobs")
    assert found.memory == 700
    assert found.stages["floors"].basis == "typical values"
    of_tasks = 3 * 5 + 3 * 5 + 3 * 1  # floors, baselines and datasets
    whole = sum(training.jobs) + sum(evaluation.jobs) + of_tasks
    assert whole / 2 + 11 <= found.seconds() <= whole / 2 + 11 + 21
    assert found.seconds(left=True) < found.seconds()


LOUD = """
from torch import nn

class Loud(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.gain = nn.Linear(1, 1)

    def forward(self, x):
        print("loud")
        return self.gain(x)
"""


def test_models_without_records_are_timed(results: Results) -> None:
    """And what they print does not matter."""
    Path("loud.py").write_text(LOUD)
    study = small_study()
    study["architectures"] = {
        "rnn": {"widths": [4]},
        "loud": {"model": "loud.py:Loud", "widths": [4]},
    }
    Path("config.yaml").write_text(yaml.safe_dump(study))
    found = estimate(load_study(study), "config.yaml", cores=2)
    training = found.stages["training"]
    assert training.basis == "a few steps of each model"
    assert all(3 < seconds < 60 for seconds in training.jobs)
    assert training.memory > 100  # torch alone
    assert found.stages["evaluation"].left == found.stages["evaluation"].jobs
