"""Studies of many cells, and what can be said of them without a clock."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from tests.conftest import small_study
from tests.workflow.conftest import Project, copy_of_the_tree


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small study with what its parts share."""
    folder = tmp_path_factory.mktemp("begun") / "project"
    folder.mkdir()
    copy_of_the_tree(folder)
    study = small_study()
    study["kernels"]["exponential"]["memory_length"].pop()
    study["training"] |= {"learning_rates": [0.01], "seeds": [0]}
    (folder / "study.yaml").write_text(yaml.safe_dump(study, sort_keys=False))
    done = Project(folder).snakemake("shared")
    assert done.returncode == 0, done.stdout + done.stderr
    return folder
