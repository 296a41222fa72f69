"""Digests follow the import graph and the meaning of the code."""

from __future__ import annotations

from pathlib import Path

import pytest

from mfbench.workflow.digest import (
    architecture_digest,
    normalised,
    reached_modules,
    stage_digest,
)
from tests.conftest import REPOSITORY

SCRIPTS = REPOSITORY / "workflow_scripts"


def test_comments_docstrings_and_formatting_do_not_count() -> None:
    one = '"""Doc."""\n\ndef f(x):\n    """Doc."""\n    return {"a": x}  # why\n'
    other = "def f( x ) :\n\n    return {'a' : x}\n"
    assert normalised(one) == normalised(other)
    assert normalised(other) != normalised(other.replace("'a'", "'b'"))


def test_a_body_of_nothing_but_a_docstring_stays_valid() -> None:
    assert normalised('class A:\n    """Doc."""\n') == normalised("class A:\n    pass\n")


def test_a_string_that_is_no_docstring_counts() -> None:
    assert normalised("def f():\n    x = 1\n    'text'\n") != normalised("def f():\n    x = 1\n")


def test_training_reaches_what_it_imports_and_nothing_else() -> None:
    reached = reached_modules(frozenset({"mfbench.training.pack"}))
    assert {"mfbench.training.trainer", "mfbench.study.training", "mfbench.files"} <= set(reached)
    assert "mfbench.training" in reached  # the package that a module lies in runs too
    for foreign in ("config.study", "config.task", "kernels", "datasets", "cubes", "figures"):
        assert f"mfbench.{foreign}" not in reached
    assert not any(m.endswith((".rnn", ".s4d", ".transformer")) for m in reached)


def test_an_architecture_reaches_its_own_file_and_what_that_uses() -> None:
    reached = reached_modules(frozenset({"mfbench.models.transformer"}))
    assert "mfbench.models.positions" in reached
    assert "mfbench.models.convolution" not in reached


def test_stages_and_architectures_have_digests_of_their_own() -> None:
    digests = [stage_digest(script) for script in sorted(SCRIPTS.glob("*.py"))]
    digests += [architecture_digest(name) for name in ("rnn", "gru", "lru", "s4d")]
    digests.append(
        stage_digest(SCRIPTS / "generate_dataset.py", modules=("mfbench.tasks.kernels.airy",))
    )
    assert len(set(digests)) == len(digests)
    assert all(len(d) == 16 for d in digests)


def test_a_users_file_counts_with_its_neighbours(tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text(
        "import near\nfrom mfbench.models.tcn import TCN\nclass Own(TCN):\n    pass\n"
    )
    (tmp_path / "near.py").write_text("X = 1\n")
    (tmp_path / "far.py").write_text("X = 1\n")
    reference = f"{tmp_path / 'own.py'}:Own"
    before = architecture_digest(reference)
    (tmp_path / "far.py").write_text("X = 2\n")
    assert architecture_digest(reference) == before
    (tmp_path / "near.py").write_text("X = 1  # one\n")
    assert architecture_digest(reference) == before
    (tmp_path / "near.py").write_text("X = 2\n")
    assert architecture_digest(reference) != before


def test_an_unknown_module_is_left_out() -> None:
    assert reached_modules(frozenset({"mfbench.tasks.kernels.families"})) == reached_modules(
        frozenset({"mfbench.tasks.kernels"})
    )


@pytest.mark.parametrize("script", sorted(SCRIPTS.glob("*.py")), ids=lambda p: p.stem)
def test_scripts_are_thin_and_never_read_the_global_config(script: Path) -> None:
    text = script.read_text()
    assert "snakemake.config" not in text
    assert "def " not in text  # logic lives in the package
