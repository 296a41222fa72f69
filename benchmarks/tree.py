"""Another commit beside this one, and a process that works with a tree."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from benchmarks.table import ROOT


def git(*arguments: str) -> str:
    """What git says about this tree."""
    command = ["git", "-C", str(ROOT), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def commit() -> str:
    """The short commit of this tree, with -dirty where it has changes."""
    changed = git("status", "--porcelain", "--", ".", ":!benchmarks/results")
    return git("rev-parse", "--short", "HEAD") + ("-dirty" if changed else "")


@contextmanager
def checked_out(revision: str) -> Iterator[Path]:
    """A commit of this repository in a temporary folder."""
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder) / "tree"
        git("worktree", "add", "--detach", str(tree), revision)
        try:
            yield tree
        finally:
            git("worktree", "remove", "--force", str(tree))


def importing(tree: Path) -> dict[str, str]:
    """An environment in which mfbench is that of a tree, and all else as it is here."""
    path = os.environ.get("PYTHONPATH")
    return {**os.environ, "PYTHONPATH": f"{tree}{os.pathsep}{path}" if path else str(tree)}


class Worker:
    """A process that imports a tree once and times its steps (`benchmarks.worker`)."""

    def __init__(self, tree: Path) -> None:
        self._process = subprocess.Popen(
            # -P: the script's own folder holds nothing to import.
            [sys.executable, "-P", str(ROOT / "benchmarks" / "worker.py")],
            cwd=tree,
            env={**importing(tree), "OMP_NUM_THREADS": "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def ask(self, **request: Any) -> dict[str, Any]:
        """One answer to one request."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(json.dumps(request), file=self._process.stdin, flush=True)
        if not (line := self._process.stdout.readline()):
            raise SystemExit("a worker ended; it said why above")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._process.kill()
        self._process.wait()
