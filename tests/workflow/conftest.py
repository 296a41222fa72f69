"""A copy of the project with a finished small study, for tests on real plans and runs."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import pytest
import yaml
from filelock import FileLock

from tests import warm
from tests.commands.conftest import easy, hard, results  # noqa: F401
from tests.conftest import REPOSITORY, know_models, small_study

OWN = """from gain import GAIN
from mfbench.models.mixer import Mixer
from torch import nn


class Own(Mixer):
    def __init__(self, width, layer, length):
        super().__init__()
        self.W = nn.Linear(width, width, bias=False)

    linear, state_size = True, 1

    def forward(self, u):
        return GAIN * self.W(u)
"""
BROKEN = "raise KeyError('mine')"
FILES = {
    "mine/gain.py": "GAIN = 1.5\n",
    "mine/own.py": OWN,
    "broken.py": OWN.replace("from gain import GAIN\n", "").replace("return GAIN", BROKEN + " #"),
}


def workflow_study() -> dict[str, Any]:
    """A built-in model, one of a user's own and one that breaks, on an easy and a hard level.

    Everything learns lag 0 in 40 steps and nothing lag 5, so each model that works has a boundary.
    """
    study = small_study()
    study["kernels"] = {"impulse": {"rho": [0, 5]}}
    study["architectures"] = {
        "rnn": {"widths": [4]},
        "own": {"model": "mine/own.py:Own", "widths": [4]},
        "broken": {"model": "broken.py:Own", "widths": [4]},
    }
    study["training"] |= {"steps": [20, 40], "learning_rates": [0.01, 0.03]}
    study["evaluation"]["success"] = 0.2
    return study


def said(done: subprocess.CompletedProcess[str]) -> str:
    """All that a run has printed."""
    return done.stdout + done.stderr


@dataclass
class Project:
    """A working copy in a folder of its own."""

    folder: Path
    file: str = field(default="study.yaml", kw_only=True)
    OPTIONS: ClassVar[tuple[str, ...]] = ("--cores", "2")

    def snakemake(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run Snakemake on the study."""
        return warm.run(
            *self.command(*arguments)[1:],
            folder=self.folder,
            environment=self.environment() | environment,
        )

    def run(self, *targets: str) -> str:
        """Run Snakemake, which must end well; what it says."""
        done = self.snakemake(*targets)
        assert done.returncode == 0, said(done)
        return said(done)

    def start(
        self, *arguments: str, log: str = "snakemake.log", **environment: str
    ) -> subprocess.Popen[bytes]:
        """Start Snakemake in a session of its own; what it says goes to a file."""
        with (self.folder / log).open("wb") as out:
            return subprocess.Popen(
                self.command(*arguments),
                cwd=self.folder,
                env=self.environment() | environment,
                stdout=out,
                stderr=out,
                start_new_session=True,
            )

    def said(self, log: str = "snakemake.log") -> str:
        """What a run that was started has said so far."""
        return (self.folder / log).read_text()

    def command(self, *arguments: str) -> list[str]:
        snakemake = [sys.executable, "-m", "snakemake", *self.OPTIONS]
        return [*snakemake, *arguments, "--configfile", self.file]

    def environment(self) -> dict[str, str]:
        # The copy runs its own package, although this tree's is installed.
        return {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}

    def planned(self, *arguments: str, **environment: str) -> Counter[str]:
        """Number of jobs by rule that a dry run would do; `all` is left out."""
        done = self.snakemake(*arguments, "--dry-run", "--quiet", "rules", **environment)
        assert done.returncode == 0, said(done)
        table = said(done).partition("Job stats:")[2]
        assert table or "Nothing to be done" in said(done)
        rows = re.findall(r"^(\w+)\s+(\d+)$", table, re.MULTILINE)
        return Counter({rule: int(n) for rule, n in rows if rule not in ("all", "total")})

    def configure(self, change: Callable[[dict[str, Any]], Any]) -> None:
        """Change the study file."""
        study = self.folder / self.file
        content = yaml.safe_load(study.read_text())
        change(content)
        study.write_text(yaml.safe_dump(content, sort_keys=False))

    def set(self, key: str, value: Any) -> None:
        """Change one setting of the study file, by its dotted path."""

        def change(study: dict[str, Any]) -> None:
            *parents, last = key.split(".")
            for parent in parents:
                study = study.setdefault(parent, {})
            study[last] = value

        self.configure(change)

    def edit(self, path: str, old: str, new: str) -> None:
        """Change a file of the copy."""
        file = self.folder / path
        text = file.read_text()
        assert old in text
        file.write_text(text.replace(old, new))


def copy_of_the_tree(folder: Path) -> None:
    """The project as it stands in the working tree, without what git ignores."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=True,
    )
    for name in filter(None, listed.stdout.split("\0")):
        source = REPOSITORY / name
        if source.is_file() and not name.startswith("docs/"):
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target)
    know_models(folder)


def begin(folder: Path, study: dict[str, Any], *, file: str = "study.yaml") -> Project:
    """A copy of the project with a study in which nothing has run."""
    folder.mkdir(parents=True, exist_ok=True)
    copy_of_the_tree(folder)
    (folder / file).write_text(yaml.safe_dump(study, sort_keys=False), encoding="utf-8")
    for name, text in FILES.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
    return Project(folder, file=file)


def run_once(
    factory: pytest.TempPathFactory, name: str, study: dict[str, Any], *targets: str
) -> Path:
    """The folder of a study, run once for real and for all workers of pytest; not to be changed."""
    shared = factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    folder = shared / name
    with FileLock(shared / f"{name}.lock"):
        if not (folder / "finished.log").exists():
            text = begin(folder, study).run(*targets)
            (folder / "finished.log").write_text(text)
    return folder


def copied(finished: Path, folder: Path) -> Project:
    """A copy of a finished study that a test may change; times of files are kept."""
    shutil.copytree(finished, folder, symlinks=True)
    return Project(folder)


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The study with its report and its scoreboard."""
    study = workflow_study()
    return run_once(tmp_path_factory, "project with spaces", study, "all", "scoreboard")


@pytest.fixture
def project(finished: Path, tmp_path: Path) -> Project:
    """A copy of the finished study."""
    return copied(finished, tmp_path / "project")


@pytest.fixture
def fresh(tmp_path: Path) -> Project:
    """The study's built-in model alone, for which nothing has run yet."""
    study = workflow_study()
    study["architectures"] = {"rnn": {"widths": [4]}}
    return begin(tmp_path, study)
