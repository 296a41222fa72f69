"""Snakemake is killed with jobs in flight; the commands of docs/recovery.md finish the study."""

from __future__ import annotations

import itertools
import subprocess
import sys
import time
from dataclasses import dataclass

import pytest
import xarray as xr

from tests.conftest import REPOSITORY
from tests.slurm.cluster import Cluster, until
from tests.slurm.conftest import (
    CUBE,
    QUICK,
    REPEATED,
    STEPS,
    STOPPED_AFTER,
    ClusterProject,
    copy_with,
    eventful,
    run_undisturbed,
    study,
)
from tests.test_readme import block

pytestmark = pytest.mark.slurm

WIDTHS = (2, 3, 4)  # one cell more than there are GPUs


@dataclass
class Recovery:
    """A study that ended after all, and what was seen on the way."""

    project: ClusterProject
    undisturbed: xr.Dataset
    orphans: list[str]
    locked: str


@pytest.fixture(scope="module")
def recovery(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Recovery:
    content = study({"orphaned": eventful("orphaned", *WIDTHS)})
    project = copy_with(tmp_path_factory.mktemp("recovery"), content, cluster)
    snakemake = project.start(CUBE)
    until(
        lambda: sum(len(seen(project, width)) >= STOPPED_AFTER for width in WIDTHS) == 2,
        seconds=600,
        what="two cells to be trained",
    )
    snakemake.kill()
    snakemake.wait()
    orphans = [job for job, name in cluster.jobs("RUNNING").items() if "rule_train" in name]
    before = [len(seen(project, width)) for width in WIDTHS]
    time.sleep(1)
    assert sum(map(len, (seen(project, width) for width in WIDTHS))) > sum(before)

    (project.folder / "events/calm").touch()  # the third cell's first job need not be slow
    locked = project.start(CUBE)
    assert locked.wait(timeout=300) != 0
    said = project.said()

    recover = block("scancel", (REPOSITORY / "docs/recovery.md").read_text())
    for line, here in (
        (".venv/bin/snakemake", f"{sys.executable} -m snakemake"),
        (" all ", f" {CUBE} "),
        ("config/paper.yaml", " ".join(["study.yaml", *QUICK])),
    ):
        assert line in recover
        recover = recover.replace(line, here)
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", recover],
        cwd=project.folder,
        env=project.environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    undisturbed = run_undisturbed(tmp_path_factory.mktemp("undisturbed"), content)
    return Recovery(project, undisturbed, orphans, said)


def seen(project: ClusterProject, width: int) -> list[float]:
    """Training steps of a cell so far, over all jobs."""
    return [t for job in project.trained(f"orphaned-{width}").values() for t in job.steps]


def test_jobs_outlive_snakemake_and_a_second_run_is_told(recovery: Recovery) -> None:
    assert len(recovery.orphans) == 2
    assert "--unlock" in recovery.locked


def test_the_recovered_study_ends_with_the_cube_of_an_undisturbed_one(recovery: Recovery) -> None:
    xr.testing.assert_equal(recovery.project.cube(), recovery.undisturbed)


def test_no_cell_is_trained_by_two_jobs_at_once_or_from_the_start(recovery: Recovery) -> None:
    for width in WIDTHS:
        jobs = recovery.project.trained(f"orphaned-{width}")
        intervals = sorted(job.interval for job in jobs.values())
        assert all(end < start for (_, end), (start, _) in itertools.pairwise(intervals))
        assert STEPS <= len(seen(recovery.project, width)) < STEPS + REPEATED
    resumed = [w for w in WIDTHS if len(recovery.project.trained(f"orphaned-{w}")) == 2]
    assert len(resumed) == 2


def test_no_file_is_half_written(recovery: Recovery) -> None:
    assert {".nc", ".safetensors"} <= recovery.project.read_all_files()
