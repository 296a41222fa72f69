"""Locks between processes."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from mfbench.workflow.run_lock import _held, lock_parts, part_of
from tests.conftest import REPOSITORY


@pytest.fixture(autouse=True)
def _released() -> Iterator[None]:
    yield
    while _held:
        os.close(_held.pop())


def elsewhere(results: Path, made: list[str], read: list[str]) -> str:
    """What another process says when it locks some parts."""
    code = f"""
from mfbench.workflow.run_lock import lock_parts
try:
    lock_parts({str(results)!r}, {made!r}, read={read!r})
except ValueError as error:
    print(error)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


@pytest.mark.parametrize(
    ("made", "read", "refused"),
    [
        ([], ["shared"], None),
        (["b"], ["shared"], None),
        (["a"], [], "a"),
        (["b"], ["a"], "a"),
        (["b", "shared"], [], "shared"),
    ],
    ids=["both read", "others made", "both make", "reads what is made", "makes what is read"],
)
def test_what_one_makes_is_neither_made_nor_read_by_another(
    tmp_path: Path, made: list[str], read: list[str], refused: str | None
) -> None:
    lock_parts(tmp_path, ["a"], read=["shared"])
    said = elsewhere(tmp_path, made, read)
    assert (
        said.startswith(f"another run is at work on {refused} in {tmp_path}")
        if refused
        else (said == "")
    )


def test_a_process_that_ends_leaves_no_lock(tmp_path: Path) -> None:
    assert elsewhere(tmp_path, ["a"], []) == ""
    lock_parts(tmp_path, ["a"])


def test_parts_are_groups_and_what_they_share() -> None:
    cell = {"architecture": "rnn", "width": "4", "kernel": "airy", "rho": "4"}
    assert part_of("train", cell) == part_of("evaluate", cell) == "rnn on airy"
    assert part_of("dataset", {"kernel": "airy", "rho": "4"}) == "dataset of airy"
    assert part_of("architecture_cube", {"architecture": "rnn"}) == "architecture_cube of rnn"
    assert part_of("benchmark_cube", {}) == "benchmark_cube"
