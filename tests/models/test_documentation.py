"""The models in docs/models.md keep their promises and declare what the page says."""

from __future__ import annotations

import re
import textwrap
import tomllib
from pathlib import Path

import pytest

from mfbench.models.build import build_model
from mfbench.models.judging import check_promises
from mfbench.models.registry import ENTRY_POINTS
from tests.conftest import REPOSITORY

PAGE = (REPOSITORY / "docs" / "models.md").read_text(encoding="utf-8")
BLOCKS = [textwrap.dedent(b) for b in re.findall(r"(?:^(?:    .*)?\n)+", PAGE, re.MULTILINE)]
EXAMPLES = {
    found[1]: block
    for block in BLOCKS
    if (found := re.search(r"^(?:class|def) (\w+)", block, re.MULTILINE))
}
# linear, receptive_field, state_size, maximum_length, and whether it has state dynamics
DECLARED = {
    "Memory": (False, None, None, None, False),
    "pointwise": (False, None, None, None, False),
    "Gated": (False, None, None, None, False),
    "Taps": (True, 8, None, None, False),
    "Leaky": (True, None, 4, None, True),
    "Positions": (False, None, None, 24, False),
}


def test_all_examples_are_listed() -> None:
    assert EXAMPLES.keys() == DECLARED.keys()


@pytest.mark.parametrize("name", DECLARED)
def test_an_example_keeps_all_promises(name: str, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(EXAMPLES[name])
    settings = {"model": f"{tmp_path}/mine.py:{name}"}

    def build():  # type: ignore[no-untyped-def]
        return build_model(settings, width=4, length=24)

    assert check_promises(build, length=24, lengths_of_evaluation=[48]) == []
    model = build()
    assert (
        model.linear,
        model.receptive_field,
        model.state_size,
        model.maximum_length,
        bool(model.parameter_groups()["ssm"]),
    ) == DECLARED[name]


def test_the_group_of_entry_points_is_the_one_that_mfbench_reads() -> None:
    (block,) = (b for b in BLOCKS if "entry-points" in b)
    assert list(tomllib.loads(block)["project"]["entry-points"]) == [ENTRY_POINTS]
