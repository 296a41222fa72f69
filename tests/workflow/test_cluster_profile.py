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


def resources(project: Project, name: str, path: str, *arguments: str) -> dict[str, set[str]]:
    """All values of a resource that a dry run on the cluster shows, by rule."""
    done = project.snakemake("--profile", "slurm", "--dry-run", "all", *arguments, PATH=path)
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    values: dict[str, set[str]] = {}
    for rule, job in re.findall(r"^(?:rule|checkpoint) (\w+):\n((?: .*\n)+)", said, re.MULTILINE):
        values.setdefault(rule, set()).update(re.findall(rf"\b{name}=([^,\s]+)", job))
    return values


@pytest.mark.parametrize(
    ("device", "expected"),
    [("auto", "1"), ("cuda", "1"), ("cpu", "0")],
    ids=["auto", "cuda", "cpu"],
)
def test_training_asks_for_one_gpu_unless_the_study_says_cpu(
    fresh: Project, bare_path: str, device: str, expected: str
) -> None:
    fresh.configure(lambda s: s["training"].update(device=device))
    gpus = resources(fresh, "gpu", bare_path)
    assert gpus.pop("train") == {expected}
    gpus.pop("all", None)
    assert len(gpus) >= 6
    assert set().union(*gpus.values()) == {"0"}


def test_a_site_sets_partition_and_account_and_keeps_the_rest(
    fresh: Project, bare_path: str
) -> None:
    site = ("--default-resources", "slurm_partition=north", "slurm_account=us")
    for name, expected in (("slurm_partition", "north"), ("slurm_account", "us")):
        values = resources(fresh, name, bare_path, *site)
        assert values.pop("all", {expected}) == {expected}
        assert set(map(frozenset, values.values())) == {frozenset([expected])}
    assert resources(fresh, "gpu", bare_path, *site)["train"] == {"1"}


def test_every_job_asks_for_memory_and_time_of_its_own(fresh: Project, bare_path: str) -> None:
    for name in ("mem_mb", "runtime"):
        values = resources(fresh, name, bare_path)
        values.pop("all", None)
        assert all(len(v) >= 1 and all(x.isdigit() for x in v) for v in values.values()), values


def test_the_profile_leaves_to_the_default_profile_what_is_its_own() -> None:
    """profiles/default wins where both have a key."""
    both = [
        set(yaml.safe_load((REPOSITORY / path).read_text()))
        for path in ("slurm/config.yaml", "profiles/default/config.yaml")
    ]
    assert set.intersection(*both) == set()
