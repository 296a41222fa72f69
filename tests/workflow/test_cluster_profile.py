"""What `--profile slurm` plans, on a machine that has neither SLURM nor a GPU."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.conftest import REPOSITORY
from tests.workflow.conftest import Project

# What Snakemake itself needs of a machine.
COMMANDS = ("sh", "bash", "git", "env", "which")


@pytest.fixture
def bare_path(tmp_path: Path) -> str:
    """A PATH without SLURM."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in COMMANDS:
        if program := shutil.which(name):
            (folder / name).symlink_to(program)
    found = subprocess.run(
        ["which", "sbatch"], env={"PATH": str(folder)}, capture_output=True, check=False
    )
    assert found.returncode != 0
    return str(folder)


def dry_run(project: Project, path: str, *arguments: str) -> dict[str, list[dict[str, str]]]:
    """The resources of every job that a dry run on the cluster shows, by rule."""
    done = project.snakemake("--profile", "slurm", "--dry-run", "all", *arguments, PATH=path)
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    jobs: dict[str, list[dict[str, str]]] = {}
    for rule, job in re.findall(r"^(?:rule|checkpoint) (\w+):\n((?: .*\n)+)", said, re.MULTILINE):
        (listed,) = re.findall(r"^ +resources: (.*)$", job, re.MULTILINE)
        jobs.setdefault(rule, []).append(dict(r.split("=", 1) for r in listed.split(", ")))
    jobs.pop("all", None)  # it does nothing and runs on the submit host
    assert len(jobs) == 6
    return jobs


@pytest.mark.parametrize("device", ["auto", "cuda"])
def test_each_training_job_asks_for_one_gpu_and_no_other_job_for_any(
    fresh: Project, bare_path: str, device: str
) -> None:
    # Shares of a GPU are a matter of one machine: they make no difference here.
    fresh.configure(lambda s: s["training"].update(device=device, jobs_per_gpu=3))
    jobs = dry_run(fresh, bare_path)
    assert {job["gpu"] for job in jobs.pop("train")} == {"1"}
    assert {job["gpu"] for others in jobs.values() for job in others} == {"0"}


def test_a_study_on_cpus_asks_for_no_gpu_whatever_the_profile_says(
    fresh: Project, bare_path: str
) -> None:
    fresh.configure(lambda s: s["training"].update(device="cpu"))
    jobs = dry_run(fresh, bare_path, "--set-resources", "train:gpu=1", "train:gpu_model=a100")
    assert {job["gpu"] for rule in jobs.values() for job in rule} == {"0"}
    assert not any("gpu_model" in job for job in jobs["train"])


def test_a_site_sets_partition_and_account_and_keeps_the_rest(
    fresh: Project, bare_path: str
) -> None:
    site = ("--default-resources", "slurm_partition=north", "slurm_account=us")
    jobs = dry_run(fresh, bare_path, *site)
    for rule in jobs.values():
        for job in rule:
            assert (job["slurm_partition"], job["slurm_account"]) == ("north", "us")
            assert int(job["mem_mb"]) > 0
            assert int(job["runtime"]) > 0
    assert {job["gpu"] for job in jobs["train"]} == {"1"}


def test_the_profile_leaves_to_the_default_profile_what_is_its_own() -> None:
    """profiles/default wins where both have a key."""
    both = [
        set(yaml.safe_load((REPOSITORY / path).read_text()))
        for path in ("slurm/config.yaml", "profiles/default/config.yaml")
    ]
    assert set.intersection(*both) == set()
