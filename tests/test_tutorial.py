"""docs/tutorial.ipynb runs from its first cell to its last."""

from __future__ import annotations

import shutil
from pathlib import Path

import nbformat
import pytest

from tests.conftest import REPOSITORY


def test_the_tutorial_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    notebook = nbformat.read(REPOSITORY / "docs" / "tutorial.ipynb", as_version=4)
    assert len(notebook.cells) == 20
    shutil.copytree(REPOSITORY / "findings", tmp_path / "findings")
    (tmp_path / "docs").mkdir()
    monkeypatch.chdir(tmp_path / "docs")
    names: dict[str, object] = {}
    for cell in notebook.cells:
        if cell.cell_type == "code":
            exec(compile(cell.source, cell.source[:60], "exec"), names)
    assert names["mine"].error < 0.1  # type: ignore[attr-defined]
