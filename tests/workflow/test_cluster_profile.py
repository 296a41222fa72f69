"""What training asks of this machine and of a cluster, where there is neither SLURM nor a GPU."""

from __future__ import annotations

import re
import shutil
from typing import Any

import pytest
import yaml

from tests.conftest import REPOSITORY
from tests.workflow.conftest import Project, said

# What Snakemake itself needs of a machine.
COMMANDS = ("sh", "bash", "git", "env", "which")


@pytest.fixture
def bare_path(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A PATH without SLURM."""
    folder = tmp_path_factory.mktemp("bin")
    for name in COMMANDS:
        if program := shutil.which(name):
            (folder / name).symlink_to(program)
    assert shutil.which("sbatch", path=str(folder)) is None
    return str(folder)


def requests(project: Project, path: str, *arguments: str) -> dict[str, dict[str, set[str]]]:
    """The values of each resource that the jobs of a dry run ask for, by rule."""
    done = project.snakemake("--dry-run", "all", *arguments, PATH=path)
    assert done.returncode == 0, said(done)
    found: dict[str, dict[str, set[str]]] = {}
    for rule, job in re.findall(r"^rule (\w+):\n((?: .*\n)+)", said(done), re.MULTILINE):
        (listed,) = re.findall(r"^ +resources: (.*)$", job, re.MULTILINE)
        for name, value in (one.split("=", 1) for one in listed.split(", ")):
            found.setdefault(rule, {}).setdefault(name, set()).add(value)
    found.pop("all", None)  # it does nothing and runs on the submit host
    assert len(found) == 7
    return found


@pytest.mark.parametrize(
    ("training", "arguments", "gpus"),
    [
        ({"device": "auto"}, ["--profile", "slurm"], "1"),
        # A study on CPUs has the last word, whatever the profile says.
        (
            {"device": "cpu"},
            ["--profile", "slurm", "--set-resources", "train:gpu=1", "train:gpu_model=a100"],
            "0",
        ),
        ({"device": "cuda", "jobs_per_gpu": 4}, [], "1"),
    ],
    ids=["cluster", "CPUs of a cluster", "this machine"],
)
def test_jobs_of_models_ask_for_a_gpu_and_no_other_job_for_any(
    fresh: Project, bare_path: str, training: dict[str, Any], arguments: list[str], gpus: str
) -> None:
    fresh.configure(lambda s: s["training"].update(training))
    site = ["--default-resources", "slurm_partition=north", "slurm_account=us"]
    asked = requests(fresh, bare_path, *arguments, *(site if arguments else []))
    assert asked["train"]["gpu"] == {gpus}
    assert "gpu_model" not in asked["train"]
    # A model may run on a GPU only; then its study asks for `cuda`.
    assert asked["evaluate"]["gpu"] == {"1" if training["device"] == "cuda" else "0"}
    others = [asked[rule] for rule in asked if rule not in ("train", "evaluate")]
    assert all(one["gpu"] == {"0"} for one in others)
    if arguments:
        for one in asked.values():
            assert one["slurm_partition"] == {"north"}
            assert one["slurm_account"] == {"us"}
            assert all(int(value) > 0 for value in one["mem_mb"] | one["runtime"])
    else:  # evaluations share a GPU of this machine, too
        assert asked["train"]["gpu_slots"] == asked["evaluate"]["gpu_slots"] == {"250000"}


def test_the_profile_leaves_to_the_default_profile_what_is_its_own() -> None:
    """profiles/default wins where both have a key."""
    both = [
        set(yaml.safe_load((REPOSITORY / path).read_text()))
        for path in ("slurm/config.yaml", "profiles/default/config.yaml")
    ]
    assert set.intersection(*both) == set()
