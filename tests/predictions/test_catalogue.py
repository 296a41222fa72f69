"""Every prediction has a source, a statement and a rule with a date."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import mfbench.predictions
from mfbench.predictions.catalogue import prediction, predictions

FOLDER = Path(mfbench.predictions.__path__[0])
FIRST = "2026-11-20"


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


def test_the_message_about_an_unknown_prediction_names_it() -> None:
    with pytest.raises(ValueError, match="no prediction named 'luck'; the names are attention"):
        prediction("luck")
