"""How far a run is, from events as Snakemake sends them."""

from __future__ import annotations

from typing import Any

import pytest

from mfbench.study.study import load_study
from mfbench.training.checkpoint_progress import members_trained
from mfbench.training.checkpoints import Checkpoints
from mfbench.training.progress import Progress
from mfbench.training.run import Run
from mfbench.workflow.progress import StudyProgress
from tests.conftest import small_study
from tests.results import FAILED, Results


class Clock:
    """A clock that a test sets."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


def job(
    number: int, rule: str, *inputs: str, log: str = "x.log", **wildcards: str
) -> dict[str, Any]:
    about = {"input": inputs, "output": [], "log": [log], "wildcards": wildcards}
    return {"kind": "job_info", "jobid": number, "rule_name": rule, **about}


def finished(number: int) -> dict[str, Any]:
    return {"kind": "job_finished", "job_id": number}


def train(number: int, **more: Any) -> dict[str, Any]:
    """A training job of two levels with four members each."""
    names = {"architecture": "rnn", "width": "4", "kernel": "impulse", "phase": "study"}
    data = [f"results/small/datasets/impulse/rho={rho}.nc" for rho in (3, 5)]
    return job(number, "train", *data, **names, part="1", **more)


@pytest.fixture
def progress(results: Results) -> StudyProgress:
    progress = StudyProgress(results.study, cores=2, clock=Clock())
    stats = {"train": 3, "dataset": 2, "evaluate": 2, "all": 1, "total": 8}
    progress.see({"kind": "run_info", "stats": stats})
    return progress


def after(progress: StudyProgress, seconds: float) -> None:
    progress.clock.now += seconds  # type: ignore[attr-defined]


def test_speed_and_time_left(progress: StudyProgress) -> None:
    assert list(progress.stages) == ["dataset", "train", "evaluate"]  # in the order of the data
    progress.see(job(1, "dataset"))
    progress.see(job(2, "dataset"))
    after(progress, 5)
    progress.see(finished(1))
    progress.see(finished(2))
    assert progress.seconds_left is None  # nothing is known about training
    progress.see(train(3))
    progress.see(train(4))
    after(progress, 20)
    progress.see(finished(3))
    assert progress.members_per_second == pytest.approx(8 / 20)
    # 8 members of the job at work and 8 of the one that waits; nothing is known of evaluations.
    assert progress.seconds_left == pytest.approx(16 / (8 / 20))
    assert (progress.stages["train"].done, progress.stages["train"].jobs) == (1, 3)


def test_checkpoints_of_jobs_at_work_count(progress: StudyProgress, results: Results) -> None:
    progress.clock.now = 0.0  # type: ignore[attr-defined]  # all files are newer
    progress.see(train(3))
    folder = results.paths.file(
        "checkpoints", rho=3.0, architecture="rnn", width="4", kernel="impulse"
    )
    checkpoints = Checkpoints(folder)
    checkpoints.save(Run(12, 0.01, 0), "key", Progress(step=6))
    checkpoints.save(Run(12, 0.01, 1), "key", Progress(step=3, diverged_step=3))
    after(progress, 10)
    assert members_trained(folder, since=0.0) == 1.5
    assert members_trained(folder, since=1e12) == 0.0
    assert progress.members_per_second == pytest.approx(0.15)


def test_a_failed_job_is_one_line_with_its_log(progress: StudyProgress, tmp_path) -> None:
    log = tmp_path / "job.log"
    log.write_text("Traceback\n  ...\nKeyError: 'mine'\n\n")
    progress.see(train(3, log=str(log)))
    progress.see({"kind": "job_error", "jobid": 3})
    assert progress.said == [f"training rnn 4 impulse failed: KeyError: 'mine'; see {log}"]
    assert progress.failed == 1


def test_a_model_that_breaks_is_told_once_and_when_its_first_job_ends(
    progress: StudyProgress, results: Results
) -> None:
    leak = "architecture s4d, width 4: the model is not causal"
    impulse = results.training("s4d", "impulse", {3.0: FAILED, 5.0: FAILED}, message=leak)
    other = results.training("s4d", "exponential", {3.0: FAILED}, message=leak)
    for number, path in enumerate((impulse, other)):
        progress.see(train(number) | {"output": [str(path), "weights.safetensors"]})
        progress.see(finished(number))
        assert progress.said == [f"cell failed, the others continue: {leak}; see x.log"]
    assert progress.failed == 0


def test_jobs_of_a_later_phase_are_added(progress: StudyProgress) -> None:
    for number in range(3):
        progress.see(train(number))
        progress.see(finished(number))
    progress.see(train(9))
    assert (progress.stages["train"].done, progress.stages["train"].jobs) == (3, 4)


def test_a_study_of_one_job() -> None:
    progress = StudyProgress(load_study(small_study()), cores=2, clock=Clock())
    assert progress.members_per_second == 0.0
    assert progress.seconds_left == 0.0
