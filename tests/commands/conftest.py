"""The small study in the current folder, and its results."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from mfbench.study.study import load_study
from tests.conftest import know_models, small_study
from tests.results import Results


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Results:
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(small_study()))
    know_models(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    return Results(load_study(small_study()))


@pytest.fixture
def easy(results: Results) -> float:
    """The easy level of the exponential kernel; the impulse kernel has one level, rho = 3."""
    return results.study.levels("exponential")[0].rho


@pytest.fixture
def hard(results: Results) -> float:
    return results.study.levels("exponential")[1].rho
