"""`mfbench floors`: bounds of the best linear models."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from mfbench.__main__ import main
from tests.conftest import REPOSITORY


def test_one_state_is_enough_for_an_exponential(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["floors", "--kernel", "exponential", "--rho", "0.5", "--length", "16"]) == 0
    title, _, *rows = capsys.readouterr().out.splitlines()
    assert title == "exponential, rho = 0.5, M99 = 4, T = 16"
    (row,) = rows  # larger states need no search
    assert row.split()[:2] == ["1", "any"]
    assert float(row.split()[3]) < 1e-6


def test_json_has_a_row_per_state_size(capsys: pytest.CaptureFixture[str]) -> None:
    sizes = ["--state", "1,2", "--receptive-field", "3"]
    given = ["--kernel", "exponential", "--memory-length", "4", "--length", "16", *sizes]
    assert main(["floors", *given, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["kernel"], document["memory_length"]) == ("exponential", 4)
    k2 = document["rho"] ** (2 * np.arange(16)) * np.minimum(8, 16 - np.arange(16)) / 8
    for size, found in zip([1, 2], document["floors"], strict=True):
        assert (found["state"], found["receptive_field"]) == (size, 3)
        # What lies beyond the receptive field is lost, whatever the state.
        tail = k2[3:].sum() / k2.sum()
        assert found["lower"] == pytest.approx(tail, abs=1e-6)
        assert found["upper"] == pytest.approx(tail, abs=1e-6)


LOUD = """
import os
from dataclasses import replace
from mfbench.tasks.kernels.exponential import FAMILY as QUIET

print("loaded")

def function(rho, lag):
    os.write(1, b"from C")
    return QUIET.function(rho, lag)

FAMILY = replace(QUIET, function=function)
"""


def test_what_a_kernel_prints_is_not_in_the_json(tmp_path: Path) -> None:
    (tmp_path / "loud.py").write_text(LOUD)
    arguments = ["floors", "--kernel", "loud.py:FAMILY", "--rho", "0.5", "--length", "16", "--json"]
    done = subprocess.run(
        [sys.executable, "-m", "mfbench", *arguments],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout)["memory_length"] == 4
    assert "loaded" in done.stderr
    assert "from C" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["airy"], "give either rho or memory-length"),
        (["nope", "--rho", "1"], "no kernel family named 'nope'"),
        (["airy", "--memory-length", "99"], "memory-length = 99 must lie in 1..64"),
        (["airy", "--memory-length", "8", "--state", "4-8"], "give whole numbers, such as 4,8,16"),
    ],
)
def test_wrong_input_is_named(arguments: list[str], says: str, capsys) -> None:
    assert main(["floors", "--kernel", *arguments]) == 2
    assert says in capsys.readouterr().err
