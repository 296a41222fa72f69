"""`mfbench check`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mfbench.commands.app import app

OWN = """
import torch
from torch import nn

class Own(nn.Module):
    def __init__(self, width=4, shift: int = 0):
        super().__init__()
        self.inner, self.outer, self.shift = nn.Linear(1, width), nn.Linear(width, 1), shift

    def forward(self, x):
        print("forward")
        return self.outer(torch.tanh(self.inner(x).roll(self.shift, 1)))
"""
SIZES = ["--width", "8", "--length", "16", "--device", "cpu"]


@pytest.fixture
def own(tmp_path: Path) -> str:
    (tmp_path / "own.py").write_text(OWN)
    return f"{tmp_path / 'own.py'}:Own"


def test_a_sound_model(own: str) -> None:
    done = CliRunner().invoke(app, ["check", own, *SIZES])
    assert done.exit_code == 0
    assert "ready to train" in done.stdout
    facts = {line[:15].strip(): line[15:].strip() for line in done.stdout.splitlines()}
    assert facts["parameters"] == "25"
    assert "ms for 16 sequences" in facts["training step"]
    assert facts["members"] == "train together"


def test_a_broken_promise_is_named_with_its_cure(own: str) -> None:
    done = CliRunner().invoke(app, ["check", own, "--option", "shift=-1", *SIZES])
    assert done.exit_code == 1
    (line,) = (line for line in done.stdout.splitlines() if "broken  " in line)
    assert line.split()[:2] == ["causal", "broken"]
    assert "1 broken" in done.stdout


def test_json(own: str) -> None:
    done = CliRunner().invoke(app, ["check", own, "--json", "--option", "shift=-1", *SIZES])
    found = json.loads(done.stdout)
    assert done.exit_code == 1
    assert found["broken"]
    assert {p["name"]: p["state"] for p in found["promises"]}["causal"] == "broken"
    assert found["cost"]["unrecorded"] == "no GPU here"


@pytest.mark.parametrize(
    ("options", "status", "says"),
    [
        (["--option", "shift"], 2, "--option shift: write --option shift=VALUE"),
        (["--option", "shift=010"], 2, "--option shift: 010 is octal to some readers"),
        (["--option", "shift=x"], 1, "shift: 'x': Input should be a valid integer"),
        (["--option", "drift=1"], 1, "drift: Own has no such option; it has: shift"),
    ],
)
def test_a_wrong_option_is_named(own: str, options: list[str], status: int, says: str) -> None:
    done = CliRunner().invoke(app, ["check", own, *options])
    assert done.exit_code == status
    assert says in " ".join(done.stderr.replace("│", "").split())
