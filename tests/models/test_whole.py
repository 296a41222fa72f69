"""Modules that are whole models: how they are built, and their promises."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import torch

from mfbench.models.build import build_model, load_architecture
from mfbench.models.build_all import build_all
from mfbench.models.judging import check_promises
from mfbench.models.options import resolved_options
from mfbench.models.own_code import ArchitectureError
from tests.conftest import architecture_settings
from tests.whole import write_twin

LENGTH = 24
HEAD = """
import functools
import torch
from torch import nn
from mfbench.models.mixer import Mixer

def shifted(x, s):
    return nn.functional.pad(x, (0, 0, s, 0))[:, : x.shape[1]]

"""
WRAPPED = """
class Own(nn.Module):
    def __init__(self, width, hidden=4):
        super().__init__()
        self.lstm = nn.LSTM(1, width, batch_first=True)
        self.linear = nn.Linear(width, 1)  # no declaration
    def forward(self, x):
        return self.linear(self.lstm(x)[0])
"""
TAPS = """
class Own(nn.Module):
    DECLARED
    def __init__(self, taps: int = 8):
        super().__init__()
        self.taps = nn.Parameter(torch.linspace(1, 2, taps))
    def forward(self, x):
        return sum(k * shifted(x, s) for s, k in enumerate(self.taps))
"""
LEAKY = """
class Own(nn.Module):
    state_size = 1
    linear = True
    def __init__(self, *args, decay=0.5, **others):
        super().__init__(*args, **others)
        self.a = nn.Parameter(torch.tensor(decay))
    def initial_state(self, batch):
        return self.a.new_zeros(batch, 1)
    def step(self, x_t, state):
        state = self.a * state + x_t
        return FACTORstate, state
    def forward(self, x):
        state, y = self.initial_state(len(x)), []
        for x_t in x.unbind(1):
            state = self.a * state + x_t
            y.append(state)
        return torch.stack(y, 1)
    def ssm_parameters(self):
        return [self.a]
"""
GAIN = """
class Own(nn.Module):
    def __init__(self, d_in, length):
        super().__init__()
        self.gain = nn.Parameter(torch.ones(d_in))
        INIT
    def forward(self, x):
        RETURN
"""


def write(folder: Path, source: str) -> str:
    (folder / "own.py").write_text(HEAD + source)
    return f"{folder / 'own.py'}:Own"


def gain(forward: str, init: str = "pass") -> str:
    return GAIN.replace("RETURN", forward).replace("INIT", init)


SOUND = {
    "wrapped LSTM": WRAPPED,
    "declared taps": TAPS.replace("DECLARED", "linear = True; receptive_field = 8"),
    "step form": LEAKY.replace("FACTOR", ""),
    "function": WRAPPED.replace("Own", "Mine") + "\ndef Own(width): return Mine(width)\n",
    "partial": WRAPPED.replace("Own", "Mine") + "\nOwn = functools.partial(Mine, hidden=3)\n",
    "limit of its own": gain(
        "return self.gain * x + self.P",
        "self.P = nn.Parameter(torch.zeros(length, 1)); self.maximum_length = length",
    ),
}


@pytest.mark.parametrize("case", SOUND)
def test_a_sound_module_passes(case: str, tmp_path: Path, device: torch.device) -> None:
    settings = {"model": write(tmp_path, SOUND[case])}
    warnings = check_promises(
        lambda: build_model(settings, width=4, length=LENGTH),
        length=LENGTH,
        lengths_of_evaluation=[48],
        device=device,
    )
    assert warnings == []


@pytest.mark.parametrize("name", ["rnn", "stable_ssm"])
def test_a_whole_model_is_the_same_as_a_mixer(name: str, tmp_path: Path) -> None:
    x, found = torch.randn(3, LENGTH, 1), []
    for reference in (name, write_twin(tmp_path, name)):
        torch.manual_seed(0)
        model = build_model(architecture_settings(reference), width=4, length=LENGTH)
        (y := model(x)).square().mean().backward()
        gradients = {name: p.grad.flatten() for name, p in model.named_parameters()}
        groups = [names for names in model.parameter_groups().values() if names]
        # Names and their order differ.
        found.append([y, *(torch.cat([gradients[n] for n in g]).sort().values for g in groups)])
    torch.testing.assert_close(*found)


def test_declarations_are_those_of_the_module(tmp_path: Path) -> None:
    model = build_model({"model": write(tmp_path, SOUND["step form"])}, width=4, length=LENGTH)
    assert (model.linear, model.state_size, model.receptive_field) == (True, 1, None)
    assert model.parameter_groups()["ssm"] == ["module.a"]
    x = torch.randn(3, LENGTH, 1)
    torch.testing.assert_close(model.recur(x), model(x))
    plain = build_model({"model": write(tmp_path, WRAPPED)}, width=4, length=LENGTH)
    assert (plain.linear, plain.state_size, plain.maximum_length) == (False, None, None)
    assert plain.parameter_groups()["ssm"] == []
    with pytest.raises(TypeError, match="no step-by-step form"):
        plain.recur(x)


# The message, in terms of the module's own attributes, and the module.
BROKEN = {
    "(B, T)": (r"\(2, 24, 1\) to \(2, 24\), .*: return y\[..., None\]", gain("return x[..., 0]")),
    "tuple": (
        r"forward\(\) returns a tuple, not one tensor .*: return its first element alone",
        WRAPPED.replace("self.linear(self.lstm(x)[0])", "self.lstm(x)"),
    ),
    "channels": (
        r"to \(2, 24, 4\), .*: end with a linear layer, nn.Linear\(4, 1\)",
        WRAPPED.replace("self.linear(self.lstm(x)[0])", "self.lstm(x)[0]"),
    ),
    "channels first": (
        r"RuntimeError: .* \(the input has the shape \(2, 24, 1\): batch, time, channels\)",
        gain("return self.conv(x)", "self.conv = nn.Conv1d(1, 1, 1)"),
    ),
    "time first": (
        "mistakes the batch for time.*batch_first=True",
        WRAPPED.replace("batch_first=True", ""),
    ),
    "GPU only": (
        "Expected x.is_cuda.*; if the model runs on a GPU only, train it on a machine that has one",
        gain('raise RuntimeError("Expected x.is_cuda() to be true, but got false.")'),
    ),
    "lazy": (
        "head.weight, head.bias has no shape before the first input: .* nn.Linear for",
        gain("return self.head(x)", "self.head = nn.LazyLinear(1)"),
    ),
    "hidden list": (
        "no parameter to train: a list of modules must be an nn.ModuleList",
        gain("return self.parts[0](x)", "self.parts = [nn.Linear(1, 1)]; del self.gain"),
    ),
    "part in a list": (
        r"self.parts is not saved; .*nn.ModuleList",
        gain("return self.gain * self.parts[0](x)", "self.parts = [nn.Linear(1, 1)]"),
    ),
    "float64": (
        "the parameter gain is float64",
        gain("return x", "self.double()"),
    ),
    "type": (r"the model makes float64 of float32: .*y.to\(x.dtype\)", gain("return x.double()")),
    "leak": ("not causal", gain("return self.gain * x + x.roll(-1, 1)")),
    "both directions": (
        "not causal",
        WRAPPED.replace("batch_first", "bidirectional=True, batch_first").replace(
            "nn.Linear(width", "nn.Linear(2 * width"
        ),
    ),
    "linear": (
        "declares itself linear, but f",
        gain("return torch.tanh(self.gain * x)", "self.linear = True"),
    ),
    "linear method": ("linear is <bound method", TAPS.replace("DECLARED", "def linear(self): 1")),
    "field": (
        "the model declares receptive_field = 2, .* lag 7: declare 8",
        TAPS.replace("DECLARED", "receptive_field = 2"),
    ),
    "long field": (
        "the model declares receptive_field = 9, but no input beyond lag 7",
        TAPS.replace("DECLARED", "receptive_field = 9"),
    ),
    "state": ("state_size = 2, but", TAPS.replace("DECLARED", "linear = True; state_size = 2")),
    "short": ("declares maximum_length = 8", TAPS.replace("DECLARED", "maximum_length = 8")),
    "absent attribute of a property": (
        "state_size: AttributeError: 'Own' object has no attribute 'width'",
        TAPS.replace("DECLARED", "state_size = property(lambda self: self.width)"),
    ),
    "ssm_parameters": (
        "ssm_parameters: KeyError: 'a'",
        TAPS.replace("DECLARED", "def ssm_parameters(self): return [{}['a']]"),
    ),
    "half a step form": (
        "the model has step but not initial_state: a step form needs both; rename step if it is",
        TAPS.replace("DECLARED", "def step(self, x_t, state): return x_t, state"),
    ),
    "two forms": ("the model gives different outputs step by", LEAKY.replace("FACTOR", "2 * ")),
    "shape of a step": (
        r"maps \(2, 24, 1\) to \(2, 24\) step by step .* must return \(B, 1\) and the next",
        LEAKY.replace("FACTORstate,", "state[..., 0],"),
    ),
    "stack": ("neither a subclass of torch.nn.Module nor a function", "class Own: pass"),
    "built": ("is built already: name its class", "Own = nn.Linear(1, 1)"),
    "nothing": ("returns NoneType, not a torch.nn.Module", "def Own(): pass"),
    "makes a mixer": ("returns a Mixer: name its class", "def Own(): return Mixer()"),
    "argument": ("TypeError: .*'hidden'", "def Own(hidden): return nn.Linear(1, 1)"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_what_is_wrong_is_said_in_one_line(case: str, tmp_path: Path) -> None:
    message, source = BROKEN[case]
    settings = {"model": write(tmp_path, source)}
    with pytest.raises(ArchitectureError, match=message) as caught:
        check_promises(lambda: build_model(settings, width=4, length=LENGTH), length=LENGTH)
    assert "\n" not in str(caught.value)
    assert "module." not in re.sub(r"torch\.nn\.Module", "", str(caught.value))


def test_a_whole_model_has_no_stack(tmp_path: Path) -> None:
    settings = {"model": write(tmp_path, WRAPPED), "layers": 2}
    with pytest.raises(ArchitectureError, match=r"layers: Own is a whole model, .* constructor"):
        build_model(settings, width=4, length=LENGTH)


def test_options_are_all_arguments_that_mfbench_does_not_give(tmp_path: Path) -> None:
    own = load_architecture(write(tmp_path, "def Own(width, length, d_in, depth: int = 2): ..."))
    assert resolved_options(own, {}) == {"depth": 2}
    with pytest.raises(ValueError, match=r"options.dept: Own has no such option; it has: depth"):
        resolved_options(own, {"dept": 3})
    with pytest.raises(ValueError, match=r"options.width: Own has no such option"):
        resolved_options(own, {"width": 3})
    free = load_architecture(write(tmp_path, "def Own(*args, depth=2, **others): ..."))
    assert resolved_options(free, {"state": 3}) == {"state": 3, "depth": 2}


TYPED = """
class Own(nn.Module):
    def __init__(self, taps=(1, 4), size: tuple[int, int] = (2, 3), depth: int = 2):
        super().__init__()
        self.linear, self.given = nn.Linear(1, 1), (taps, size, depth)
    def forward(self, x): return self.linear(x)
"""


@pytest.mark.parametrize(
    ("options", "given", "recorded"),
    [
        ({}, ((1, 4), (2, 3), 2), {"taps": [1, 4], "size": [2, 3], "depth": 2}),
        (
            {"taps": [2], "size": [4, 5], "depth": 3},
            ([2], (4, 5), 3),
            {"taps": [2], "size": [4, 5], "depth": 3},
        ),
    ],
)
def test_a_constructor_gets_its_own_types_and_records_get_those_of_json(
    options: dict[str, Any], given: tuple[Any, ...], recorded: dict[str, Any], tmp_path: Path
) -> None:
    reference = write(tmp_path, TYPED)
    entry = {
        "model": reference,
        "stack": {},
        "options": options,
        "widths": [4],
        "match": None,
        "length": LENGTH,
    }
    settings, _, _, problems = build_all(entry)
    assert not problems
    assert json.dumps(settings["options"]) == json.dumps(recorded)
    assert build_model(settings, width=4, length=LENGTH).root.given == given
