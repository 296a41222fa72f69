"""The state sizes that a plan knows, for the baselines."""

from __future__ import annotations

from pathlib import Path

import pytest

from mfbench.files import write_json
from mfbench.study.study import load_study
from mfbench.workflow.state_sizes import state_sizes
from tests.conftest import small_study

LOUD = """
from torch import nn
from mfbench.models.mixer import Mixer

class Loud(Mixer):
    def __init__(self, width, layer, length):
        super().__init__()
        print("loud")
        self.W = nn.Linear(width, width)

    state_size = 3

    def forward(self, u):
        return self.W(u)
"""


def test_sizes_below_the_length_are_known_and_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever a model prints; one has no fixed state, and one holds the whole sequence."""
    monkeypatch.chdir(tmp_path)
    Path("loud.py").write_text(LOUD)
    architectures = {
        "rnn": {"widths": [4, 15, 16]},
        "loud": {"model": "loud.py:Loud", "widths": [4], "layers": 1},
        "transformer": {"widths": [4]},
    }
    study = load_study(small_study() | {"architectures": architectures})
    assert state_sizes(study) == [3, 4, 15]
    for file in Path(".snakemake/mfbench").glob("states-*.json"):
        write_json(file, {"state_sizes": [7]})
    assert state_sizes(study) == [7]  # no model was built again
