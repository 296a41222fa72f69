"""What the README shows works."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path

import numpy as np
import pytest
import yaml

from mfbench.study.study import load_study
from mfbench.tasks.kernels import memory_function
from tests.conftest import REPOSITORY, small_study

README = (REPOSITORY / "README.md").read_text(encoding="utf-8")


def block(containing: str, text: str = README) -> str:
    """The indented block of the README, or of another text, that contains something."""
    blocks = re.findall(r"(?:^(?:    .*)?\n)+", text, re.MULTILINE)
    found = [textwrap.dedent(b).strip("\n") for b in blocks if containing in b]
    assert len(found) == 1, containing
    return found[0]


def test_the_kernels_of_the_readme_can_be_used(tmp_path: Path) -> None:
    code = block("FAMILY = Family(")
    assert len(code.splitlines()) < 10
    (tmp_path / "mine.py").write_text(code + "\n")
    np.save(tmp_path / "measured.npy", np.array([1.0, -0.5, 0.2]))
    study = small_study()
    study["task"]["length"] = 64
    given = block("values: path/to/").replace("path/to", str(tmp_path))
    study |= yaml.safe_load(given)
    loaded = load_study(study)
    assert [level.rho for level in loaded.levels("gauss")] == [2, 4, 8]
    assert [level.memory_length for level in loaded.levels("measured")] == [3]
    k = memory_function(f"{tmp_path}/mine.py:FAMILY", 3.0, 16)
    np.testing.assert_allclose(k, np.exp(-((np.arange(16) / 3) ** 2)))


@pytest.mark.parametrize("containing", ["s4d-legs", "memory_length: [4, 8, 16, 24", "refine:"])
def test_the_settings_of_the_readme_are_valid(containing: str) -> None:
    study = small_study()
    study["task"]["length"] = 128
    study |= yaml.safe_load(block(containing))
    assert load_study(study).groups()


def test_every_path_that_the_readme_names_is_there() -> None:
    for path in re.findall(
        r"\]\((?!http)([^)]+)\)|`((?:config|docs|envs|mfbench)/[\w./-]+)`", README
    ):
        name = next(filter(None, path))
        assert (REPOSITORY / name).exists(), name
