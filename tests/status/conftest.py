"""The results of a small study, to be filled."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.status.results import Results, loaded


@pytest.fixture
def results(tmp_path: Path) -> Results:
    return Results(loaded(tmp_path))


@pytest.fixture
def easy(results: Results) -> str:
    return results.study.levels("exponential")[0].rho


@pytest.fixture
def hard(results: Results) -> str:
    return results.study.levels("exponential")[1].rho
