"""`check`: promises, size and cost of a model."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from mfbench.api.alone import plain_reason
from mfbench.api.check import check
from mfbench.models.ensemble import ensemble_error
from mfbench.training.trainer import initial_model
from tests.conftest import write_architecture


def test_size_and_cost() -> None:
    found = check("tcn", options={"kernel_size": 2, "layers": 2}, width=4, length=16, device="cpu")
    assert not found.broken
    assert found.receptive_field == 1 + 2 * (1 + 2)  # dilations 1 and 2, twice each
    assert found.state_size is None
    assert found.cost is not None
    assert found.cost.alone == ""
    assert found.cost.milliseconds > 0
    # At least the batch's output of each layer, with a float32 for each channel and step.
    assert found.cost.memory > 2 * 16 * 16 * 4 * 4


@pytest.mark.parametrize(
    ("forward", "reason"),
    [
        ("return self.gru(u)[0]", "gru, which torch.vmap does not support"),
        ("return u * self.gain if self.gain.sum() > -9 else u", "an if or while that looks at"),
        ("return u * self.gain * self.gain.sum().item()", "a tensor that is turned into a Python"),
        ("return u * self.gain + u.nonzero().sum()", "nonzero, whose result has no fixed shape"),
        (
            "h = torch.zeros(1); h[0] = self.gain.sum(); return h * u",
            "a tensor that all members share",
        ),
        ("self.gain.data.clamp_(-9, 9); return u * self.gain", "the attribute .data of a tensor"),
    ],
)
def test_what_keeps_members_apart_is_said_with_its_line(
    forward: str, reason: str, tmp_path: Path
) -> None:
    init = (
        "self.gain = torch.nn.Parameter(torch.ones(width)); "
        "self.gru = torch.nn.GRU(width, width, batch_first=True)"
    )
    settings = {"model": write_architecture(tmp_path, forward, init=init)}
    models = [initial_model(settings, width=4, length=8, seed=seed) for seed in (0, 1)]
    said = plain_reason(ensemble_error(models, torch.randn(2, 2, 8, 1)) or "")
    assert said.startswith(reason)
    assert said.endswith("(own.py:8)")


def test_why_members_train_alone(tmp_path: Path) -> None:
    drops = "return torch.nn.functional.dropout(u * self.gain, 0.1, self.training)"
    init = "self.gain = torch.nn.Parameter(torch.ones(width))"
    found = check(write_architecture(tmp_path, drops, init=init), width=4, length=16, device="cpu")
    assert not found.broken
    assert found.cost is not None
    assert found.cost.alone == "random numbers, for example from dropout (own.py:8)"


def test_a_model_that_does_not_run_has_no_cost(tmp_path: Path) -> None:
    init = "self.gain = torch.nn.Parameter(torch.ones(width))"
    found = check(write_architecture(tmp_path, "return u[:, 1:] * self.gain", init=init), length=16)
    assert found.broken
    assert found.cost is None
    assert found.parameters > 0


PROPERTY = """
import torch
from mfbench.models.mixer import Mixer
class Own(BASE):
    def __init__(self, width, *others):
        super().__init__()
        self.linear_map = torch.nn.Linear(FEATURES, FEATURES)
    def forward(self, x):
        return self.linear_map(x)
    NAME = property(lambda self: {}["key"])
"""


@pytest.mark.parametrize("name", ["state_size", "receptive_field"])
@pytest.mark.parametrize(("base", "features"), [("torch.nn.Module", "1"), ("Mixer", "width")])
def test_a_property_that_fails_breaks_a_promise(
    base: str, features: str, name: str, tmp_path: Path
) -> None:
    source = PROPERTY.replace("BASE", base).replace("FEATURES", features).replace("NAME", name)
    (tmp_path / "own.py").write_text(source)
    found = check(f"{tmp_path}/own.py:Own", width=4, length=16, device="cpu")
    outcome = found.promises[0]
    assert (outcome.promise.name, outcome.state) == ("declarations", "broken")
    assert "KeyError: 'key'" in outcome.message


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_whether_a_gpu_records_a_step(tmp_path: Path) -> None:
    assert check("lru", width=4, length=16, device="cuda").cost.unrecorded == ""
    init = "self.gain = torch.nn.Parameter(torch.ones(width))"
    waits = "return u * self.gain * (1.0 if float(self.gain.sum()) > 0 else 2.0)"
    cost = check(write_architecture(tmp_path, waits, init=init), length=16, device="cuda").cost
    assert cost.unrecorded


def test_a_model_in_double_precision_gets_its_table(tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text(
        "from torch import nn\n"
        "class Own(nn.Module):\n"
        "    def __init__(self):\n"
        "        super().__init__()\n"
        "        self.linear_map = nn.Linear(1, 1).double()\n"
        "    def forward(self, x):\n"
        "        return self.linear_map(x.double())\n"
    )
    found = check(f"{tmp_path}/own.py:Own", length=16, device="cpu")
    assert found.broken
    assert found.cost is None
