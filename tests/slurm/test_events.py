"""One study, from its datasets to its scoreboard, on a cluster that disturbs its jobs."""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass

import pytest
import xarray as xr

from tests.slurm.cluster import Cluster
from tests.slurm.conftest import (
    REPEATED,
    STEPS,
    STOPPED_AFTER,
    ClusterProject,
    copy_with,
    eventful,
    run_undisturbed,
    study,
)
from tests.slurm.eventful import KILLED_AT

pytestmark = pytest.mark.slurm

CELLS = {"overtime": (2,), "cancelled": (2,), "killed": (2,), "none": (2, 3)}


@dataclass
class Request:
    """What a job asked SLURM for, and what became of it."""

    state: str
    memory: str
    gpus: str
    partition: str


@dataclass
class Run:
    """A finished run and its undisturbed double."""

    project: ClusterProject
    undisturbed: xr.Dataset
    requests: dict[str, list[Request]]  # by rule and wildcards, in the order of submission


@pytest.fixture(scope="module")
def run(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Run:
    architectures = {event: eventful(event, *widths) for event, widths in CELLS.items()}
    broken = {"model": "broken.py:Own", "widths": [2]}
    content = study(architectures | {"broken": broken})
    project = copy_with(tmp_path_factory.mktemp("events"), content, cluster)
    # A site's own settings, as in docs/cluster.md; the second partition is not the default.
    site = ("--default-resources", f"slurm_partition={cluster.partitions[1]}")
    snakemake = project.start("all", "scoreboard", *site)

    def disturb(cell: str, job: str) -> None:
        if cell == "cancelled-2":
            cluster.run("scancel", job)
        else:  # SLURM's shortest limit; the job's own is not due for a while
            cluster.run("scontrol", "update", f"JobId={job}", "TimeLimit=1")

    project.once_trained({"overtime-2": 1, "cancelled-2": STOPPED_AFTER}, snakemake, disturb)
    undisturbed = run_undisturbed(tmp_path_factory.mktemp("undisturbed"), content)
    project.finish(snakemake, seconds=1200)
    requests: dict[str, list[Request]] = {}
    for line in cluster.run("scontrol", "--oneliner", "show", "jobs").splitlines():
        job = dict(re.findall(r"(\w+)=(\S*)", line))
        if job["WorkDir"] == str(project.folder):
            asked = Request(
                job["JobState"], job["MinMemoryNode"], job.get("TresPerJob", ""), job["Partition"]
            )
            requests.setdefault(job["Comment"], []).append(asked)
    return Run(project, undisturbed, requests)


def test_a_disturbed_study_ends_with_the_cube_of_an_undisturbed_one(run: Run) -> None:
    cube = run.project.cube()
    xr.testing.assert_equal(cube, run.undisturbed)
    assert (cube.status.sel(architecture="none", width=2) == "ok").all()
    assert "KeyError: 'mine'" in cube.message.sel(architecture="broken", width=2).item()
    results = run.project.folder / "results/small"
    assert "1 cell failed" in (results / "report.html").read_text()
    assert (results / "scoreboard.txt").exists()


def test_training_jobs_have_a_gpu_to_themselves(run: Run) -> None:
    by_device: dict[str, list[tuple[float, float]]] = {}
    for event, widths in CELLS.items():
        for width in widths:
            for job in run.project.trained(f"{event}-{width}").values():
                by_device.setdefault(job.device, []).append(job.interval)
    assert set(by_device) == {"0", "1"}
    for intervals in by_device.values():
        for (_, end), (start, _) in itertools.pairwise(sorted(intervals)):
            assert end < start
    # Both were in use at the same time: it is not that jobs ran one by one.
    assert any(a < d and c < b for a, b in by_device["0"] for c, d in by_device["1"])


def test_jobs_go_where_the_site_says_and_only_training_asks_for_a_gpu(
    run: Run, cluster: Cluster
) -> None:
    asked = [request for requests in run.requests.values() for request in requests]
    assert {request.partition for request in asked} == {cluster.partitions[1]}
    gpus: dict[str, set[str]] = {}
    for name, requests in run.requests.items():
        rule = name.partition("_wildcards_")[0]
        for request in requests:
            gpus.setdefault(rule, set()).add(request.gpus)
    assert gpus.pop("rule_train") == {"gres:gpu:1"}
    assert {"rule_dataset", "rule_floors", "rule_evaluate"} < set(gpus)
    assert set().union(*gpus.values()) == {""}


def test_a_job_that_fails_is_tried_again_with_more_memory(run: Run) -> None:
    first, second = run.requests["rule_train_wildcards_study_killed_2_impulse_1"]
    assert (first.state, second.state) == ("FAILED", "COMPLETED")
    assert megabytes(second.memory) == 2 * megabytes(first.memory) > 0
    killed, again = run.project.trained("killed-2").values()
    assert len(killed.steps) == KILLED_AT
    assert len(again.steps) >= STEPS - KILLED_AT


@pytest.mark.parametrize(("event", "state"), [("overtime", "TIMEOUT"), ("cancelled", "CANCELLED")])
def test_a_job_that_was_stopped_goes_on_from_its_checkpoint(
    run: Run, event: str, state: str
) -> None:
    first, second = run.requests[f"rule_train_wildcards_study_{event}_2_impulse_1"]
    assert (first.state, second.state) == (state, "COMPLETED")
    stopped, resumed = run.project.trained(f"{event}-2").values()
    assert STOPPED_AFTER <= len(stopped.steps) < STEPS
    assert STEPS <= len(stopped.steps) + len(resumed.steps) < STEPS + REPEATED


def test_logs_are_kept_of_failed_jobs_alone(run: Run) -> None:
    logs = (run.project.folder / "logs/slurm").rglob("*.log")
    assert {log.parent.name for log in logs} == {
        "study_overtime_2_impulse_1",
        "study_cancelled_2_impulse_1",
        "study_killed_2_impulse_1",
    }


def megabytes(memory: str) -> float:
    number, unit = re.fullmatch(r"([\d.]+)([MG])", memory).groups()  # type: ignore[union-attr]
    return float(number) * {"M": 1, "G": 1024}[unit]


def test_no_file_is_half_written(run: Run) -> None:
    assert {".nc", ".safetensors"} <= run.project.read_all_files()
