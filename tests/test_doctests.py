"""Every example in a docstring or in docs/python.md runs and shows what it says."""

from __future__ import annotations

import doctest
import importlib
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY

EXAMPLES = [
    ".".join(path.relative_to(REPOSITORY).with_suffix("").parts)
    for path in sorted((REPOSITORY / "mfbench").rglob("*.py"))
    if ">>> " in path.read_text(encoding="utf-8")
]


FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


@pytest.fixture(autouse=True)
def _beside_results(results: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Examples read the results of the study "small"."""
    (tmp_path / "results").symlink_to(results.parent)
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("name", EXAMPLES)
def test_examples_of_docstrings(name: str) -> None:
    found = doctest.testmod(importlib.import_module(name), optionflags=FLAGS)
    assert not found.failed, "see the output above"


def test_examples_of_the_documentation() -> None:
    page = str(REPOSITORY / "docs" / "python.md")
    found = doctest.testfile(page, module_relative=False, optionflags=FLAGS)
    assert found.attempted > 10
    assert not found.failed, "see the output above"
