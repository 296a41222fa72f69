"""Every prediction has a source, a statement and a rule with a date."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import mfbench.predictions
from mfbench.predictions.catalogue import prediction, predictions
from tests.conftest import REPOSITORY

FOLDER = Path(mfbench.predictions.__path__[0])
FIRST = "2026-11-20"


def test_all_predictions_are_registered() -> None:
    assert set(predictions()) >= {
        "tcn_tail_floor",
        "spectrum_ordering",
        "width_growth",
        "plateau_growth",
        "largest_learning_rate",
        "stable_reparameterisation",
        "one_head_airy",
        "attention_without_positions",
        "exponential_one_state",
        "ssm_initialisation",
        "ssm_step_size",
        "rescaled_loss",
    }


@pytest.mark.parametrize("name", predictions())
def test_a_module_gives_source_statement_rule_and_date(name: str) -> None:
    found = prediction(name)
    for text in (found.title, found.paper, found.where, found.statement, found.needs, found.rule):
        assert len(text) > 15
        assert text == " ".join(text.split())
    assert found.link.startswith("https://arxiv.org/abs/")
    assert found.fixed >= FIRST
    docstring = ast.get_docstring(ast.parse((FOLDER / f"{name}.py").read_text()))
    assert docstring is not None
    assert found.link.rpartition("/")[2] in docstring.splitlines()[0]  # the paper
    promise = (
        f"fixed on {found.fixed}, after the result of the first had been seen, and is judged on "
        "seeds that were trained later"
        if found.replaces
        else f"fixed on {found.fixed}, before any result that decides it was seen"
    )
    assert promise in " ".join(docstring.split())


@pytest.mark.parametrize("name", predictions())
def test_each_prediction_is_tested_with_every_verdict(name: str) -> None:
    files = [p.read_text() for p in Path(__file__).parent.glob("test_*.py") if p != Path(__file__)]
    tests = "".join(text for text in files if f'"{name}"' in text)
    for verdict in ("SUPPORTED", "CONTRADICTED", "NOT_DECIDED"):
        assert tests.count(verdict) >= 2, verdict  # imported and used


def test_the_message_about_an_unknown_prediction_names_it() -> None:
    with pytest.raises(ValueError, match="no prediction named 'luck'; the names are attention"):
        prediction("luck")


def test_listing_names_imports_no_large_package() -> None:
    """The workflow lists them on every parse."""
    code = (
        "import sys; from mfbench.predictions.catalogue import predictions; predictions(); "
        "print(sorted({'torch', 'xarray', 'pandas', 'scipy', 'numpy'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=REPOSITORY
    )
    assert done.stdout.strip() == "[]"
