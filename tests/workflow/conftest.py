"""A copy of the project with a finished small study, for tests on real dry runs."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pytest
import yaml
from filelock import FileLock

from tests.conftest import REPOSITORY, small_study


@dataclass
class Project:
    """A working copy in a folder of its own."""

    folder: Path
    OPTIONS: ClassVar[tuple[str, ...]] = ("--cores", "2")

    def snakemake(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run Snakemake on the small study."""
        return subprocess.run(
            self.command(*arguments),
            cwd=self.folder,
            capture_output=True,
            text=True,
            env=self.environment() | environment,
            check=False,
        )

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
        return [*snakemake, *arguments, "--configfile", "study.yaml"]

    def environment(self) -> dict[str, str]:
        return {**os.environ, "PYTHONPATH": str(self.folder)}  # the copy's own package comes first

    def planned(self, *arguments: str, **environment: str) -> Counter[str]:
        """Number of jobs by rule that a dry run would do; `all` is left out."""
        done = self.snakemake(*arguments, "--dry-run", "--quiet", "rules", **environment)
        assert done.returncode == 0, done.stdout + done.stderr
        text = done.stdout + done.stderr
        if "Nothing to be done" in text:
            return Counter()
        table = text.partition("Job stats:")[2]
        rows = re.findall(r"^(\w+)\s+(\d+)$", table, re.MULTILINE)
        return Counter({rule: int(n) for rule, n in rows if rule not in ("all", "total")})

    def configure(self, change: Callable[[dict[str, Any]], Any]) -> None:
        """Change the study file."""
        study = self.folder / "study.yaml"
        content = yaml.safe_load(study.read_text())
        change(content)
        study.write_text(yaml.safe_dump(content, sort_keys=False))

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
    if (known := REPOSITORY / ".snakemake/mfbench").is_dir():  # models that were built before
        shutil.copytree(known, folder / ".snakemake/mfbench")


def run_once(
    factory: pytest.TempPathFactory, name: str, study: dict[str, Any], target: str
) -> Path:
    """The folder of a study, run once for real and for all workers of pytest."""
    shared = factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    folder = shared / name
    with FileLock(shared / f"{name}.lock"):
        if not (folder / "finished").exists():
            folder.mkdir(exist_ok=True)
            copy_of_the_tree(folder)
            (folder / "study.yaml").write_text(yaml.safe_dump(study, sort_keys=False))
            done = Project(folder).snakemake(target)
            assert done.returncode == 0, done.stdout + done.stderr
            (folder / "finished").touch()
    return folder


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small study."""
    return run_once(tmp_path_factory, "project with spaces", small_study(), "all")


@pytest.fixture
def project(finished: Path, tmp_path: Path) -> Project:
    """A copy of the finished study that a test may change; times of files are kept."""
    folder = tmp_path / "project"
    shutil.copytree(finished, folder, symlinks=True)
    return Project(folder)


@pytest.fixture
def fresh(tmp_path: Path) -> Project:
    """A copy in which nothing has run yet."""
    copy_of_the_tree(tmp_path)
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(small_study(), sort_keys=False))
    return Project(tmp_path)
