"""Every prediction says where it comes from, what it says, and when its rule was fixed."""

from __future__ import annotations

import ast
import datetime
import subprocess
import sys
from pathlib import Path

import pytest

import mfbench.predictions
from mfbench.predictions.registry import prediction, predictions
from tests.conftest import REPOSITORY

FOLDER = Path(mfbench.predictions.__path__[0])
FIXED = datetime.date(2026, 11, 20)


def test_the_promised_predictions_are_there() -> None:
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
def test_a_file_states_source_statement_rule_and_day(name: str) -> None:
    found = prediction(name)
    for text in (found.title, found.paper, found.where, found.statement, found.needs, found.rule):
        assert len(text) > 15
        assert text == " ".join(text.split())
    assert found.link.startswith("https://arxiv.org/abs/")
    assert found.fixed == FIXED
    docstring = ast.get_docstring(ast.parse((FOLDER / f"{name}.py").read_text()))
    assert docstring is not None
    assert found.link.rpartition("/")[2] in docstring.splitlines()[0]  # the paper
    promise = (
        f"fixed on {FIXED} after the number of the first had been seen, and is judged on seeds "
        "that had not been trained then"
        if found.replaces
        else f"fixed on {FIXED}, before any number of a study that decides it was seen"
    )
    assert promise in " ".join(docstring.split())


@pytest.mark.parametrize("name", predictions())
def test_a_prediction_has_tests_of_its_own_with_every_verdict(name: str) -> None:
    tests = (Path(__file__).parent / f"test_{name}.py").read_text()
    for verdict in ("SUPPORTED", "CONTRADICTED", "NOT_DECIDED"):
        assert tests.count(verdict) >= 2, verdict  # once imported and then used


def test_an_unknown_prediction_is_named() -> None:
    with pytest.raises(ValueError, match="no prediction named 'luck'; there are: attention"):
        prediction("luck")


def test_names_cost_neither_xarray_nor_scipy() -> None:
    """The workflow asks for them on every parse."""
    code = (
        "import sys; from mfbench.predictions.registry import predictions; predictions(); "
        "print(sorted({'torch', 'xarray', 'pandas', 'scipy', 'numpy'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=REPOSITORY
    )
    assert done.stdout.strip() == "[]"
