"""Each promise: a model that breaks it and nothing else, and no alarm over correct models."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from mfbench.models.build import build_model
from mfbench.models.judging import check_promises, judge_promises
from mfbench.models.model import SequenceModel
from mfbench.models.own_code import ArchitectureError, own_code
from mfbench.models.promises import PROMISES, moved
from mfbench.models.registry import registered
from mfbench.models.trial import Trial
from tests.conftest import architecture_settings

WIDTH, LENGTH = 4, 24
HEAD = """
import torch
from torch import nn
from mfbench.models.mixer import Mixer, RecurrentMixer


def shifted(u, s):
    return nn.functional.pad(u, (0, 0, s, 0))[:, : u.shape[1]]


class Own(BASE):
    DECLARED

    def __init__(self, width, layer, length):
        super().__init__()
        INIT

    FORWARD
"""
GAIN = "self.gain = nn.Parameter(torch.ones(width))"
TAPS = "self.taps = nn.Parameter(torch.linspace(1, 2, 8))"
FIR = "return sum(k * shifted(u, s) for s, k in enumerate(self.taps))"
GATE = "self.gate = nn.Parameter(torch.zeros(width))"


def write(
    folder: Path, forward: str, init: str = GAIN, declared: str = "", base: str = "Mixer"
) -> str:
    if not forward.startswith("def "):
        forward = f"def forward(self, u):\n        {forward}"
    texts = {"FORWARD": forward, "INIT": init, "DECLARED": declared, "BASE": base}
    source = HEAD
    for name, text in texts.items():
        source = source.replace(name, text)
    (folder / "own.py").write_text(source)
    return f"{folder / 'own.py'}:Own"


def builder(reference: str, *, width: int = WIDTH, length: int = LENGTH, **changes: Any) -> Any:
    settings = architecture_settings(reference, **changes)
    return lambda: build_model(settings, width=width, length=length)


def broken_promises(build: Callable[[], SequenceModel], device: torch.device) -> dict[str, str]:
    """The message of each promise that a model breaks, each checked on its own."""
    torch.manual_seed(0)
    first = Trial(build().to(device).eval(), build, LENGTH, (2 * LENGTH,))
    found = {}
    for promise in PROMISES:
        trials = [first] + [first.disturb()] * promise.disturbed
        for trial in trials:
            try:
                with own_code():
                    promise.check(trial, promise.tolerance)
            except ArchitectureError as error:
                found.setdefault(promise.name, str(error))
    return found


# The promise, what the message says, and the model.
BREAKS: dict[str, tuple[str, str, dict[str, str]]] = {
    "half a state": (
        "declarations",
        r"state_size is 2\.5: declare a number",
        {"forward": "return self.gain * u", "declared": "state_size = 2.5"},
    ),
    "hidden submodule": (
        "declarations",
        "self.norm has the name of a setting of the stack: rename",
        {"forward": "return self.gain * u", "init": GAIN + "; self.norm = nn.LayerNorm(width)"},
    ),
    "too short": (
        "declarations",
        "24 steps, but the model declares maximum_length = 8",
        {"forward": "return self.gain * u", "declared": "maximum_length = 8"},
    ),
    "complex128 buffer": (
        "types",
        "layers.0.mixer.z is complex128, which mfbench cannot save",
        {
            "forward": "return self.gain * u * self.z.real.float()",
            "init": GAIN
            + '; self.register_buffer("z", torch.ones(width, dtype=torch.complex64).to('
            "torch.complex128))",
            "declared": "",
        },
    ),
    "float64 parameter": (
        "types",
        "the parameter layers.0.mixer.gain is float64, but trained parameters must be float32",
        {
            "forward": "return (self.gain * u).float()",
            "init": "self.gain = nn.Parameter(torch.ones(width).double())",
        },
    ),
    "plain attribute": (
        "stored",
        "layers.0.mixer.R is not saved; use self.register_buffer",
        {
            "forward": "return self.gain * u @ self.R.to(u.device)",
            "init": GAIN + "; self.R = torch.randn(width, width)",
        },
    ),
    "over the batch": (
        "independent",
        "depends on the other sequences in its batch, in evaluation mode: mix steps",
        {"forward": "return self.gain * u + u.mean(0)"},
    ),
    "batch for time": (
        "independent",
        "mistakes the batch for time.*batch_first=True",
        {
            "forward": "return self.rnn(u)[0]",
            "init": "self.rnn = nn.RNN(width, width)",
        },
    ),
    "blocks": (
        "causal",
        "y_t depends on x_.t.k. at t = 0, k = 7",
        {
            "forward": "return self.gain * u + u.view(len(u), -1, 8, u.shape[-1]).mean(2)"
            ".repeat_interleave(8, 1)",
        },
    ),
    "closed gate": ("causal", "not causal", {"forward": "return u + self.gate * u.roll(-1, 1)"}),
    "detached leak": (
        "causal",
        "k = 1",
        {"forward": "return self.gain * u + u.detach().roll(-1, 1).clamp(-9, 9)"},
    ),
    "discrete leak": (
        "causal",
        "k = 1",
        {"forward": "return self.gain * u + (u.roll(-1, 1) > 0)"},
    ),
    "homogeneous": (
        "linear",
        r"f\(x \+ z\) is not f\(x\) \+ f\(z\): declare linear = False",
        {
            "forward": "v = shifted(u, 1); return u * v**2 / (u**2 + v**2 + 1e-30) * self.gain",
            "declared": "linear = True",
        },
    ),
    "constant": (
        "linear",
        "declares itself linear",
        {"forward": "return self.gain * u + 1", "declared": "linear = True"},
    ),
    "wider field": (
        "receptive field",
        "receptive_field = 2, .* but its output depends on its input at lag 7: declare 8 or more$",
        {"forward": FIR, "init": TAPS, "declared": "linear = True; receptive_field = 2"},
    ),
    "narrower field": (
        "receptive field reached",
        "receptive_field = 12, but no input beyond lag 7 reaches its output: declare 8$",
        {"forward": FIR, "init": TAPS, "declared": "linear = True; receptive_field = 12"},
    ),
    "field of a recurrence": (
        "receptive field",
        "receptive_field = 4, .*: declare [12]. or more, or None, if it is unlimited$",
        {
            "forward": "return self.gru(u)[0]",
            "init": "self.gru = nn.GRU(width, width, batch_first=True)",
            "declared": "receptive_field = 4",
        },
    ),
    "small state": (
        "state size",
        "state_size = 2, but its response has an order of at least 7",
        {"forward": FIR, "init": TAPS, "declared": "linear = True; state_size = 2"},
    ),
    "two forms": (
        "step form",
        "layers.0.mixer gives different outputs step by step and all at once, from step 1 on",
        {
            "base": "RecurrentMixer",
            "forward": "def forward(self, u): return self.gain * (u + shifted(u, 1))\n"
            "    def initial_state(self, batch): return 0 * self.gain.repeat(batch, 1)\n"
            "    def step(self, u, state): return self.gain * u + 0.5 * state, u",
        },
    ),
    "root of zero": (
        "gradients",
        "gradients of layers.0.mixer.gate are not finite at the start",
        {"forward": "return u * (1 + self.gate.square().sum().sqrt())", "init": GATE},
    ),
}
BREAKS["closed gate"][2]["init"] = GATE


@pytest.mark.parametrize("case", BREAKS)
def test_a_model_that_breaks_one_promise_is_refused_for_that_one(
    case: str, tmp_path: Path, device: torch.device
) -> None:
    promise, message, parts = BREAKS[case]
    build = builder(write(tmp_path, **parts))
    first, *others = broken_promises(build, device)
    assert first == promise
    assert set(others) <= ({"causal"} if promise == "independent" else set())  # relies on it
    before = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].sum()
    with pytest.raises(ArchitectureError, match=message):
        check_promises(build, length=LENGTH, device=device)
    assert torch.equal(before[0], torch.get_rng_state())
    assert before[1:] == (random.getstate(), np.random.get_state()[1].sum())


def test_a_tensor_that_does_not_move_with_the_model_is_named(tmp_path: Path) -> None:
    init = GAIN + "; self.R = torch.ones(width)"
    build = builder(write(tmp_path, "return self.gain * u * self.R", init))
    elsewhere = Trial(build().eval().to("meta"), build, LENGTH)
    with pytest.raises(
        ValueError, match=r"device.*layers.0.mixer.R did not move .*register_buffer"
    ):
        moved(elsewhere, 0.0)
    moved(Trial(build().eval(), build, LENGTH), 0.0)


@pytest.mark.parametrize(
    ("forward", "message"),
    [  # what the other promises rely on, broken
        ("raise KeyError('mine')", "KeyError: 'mine'"),
        ("return self.gain * u.double()", r"makes float64 of float32: .* return y.to\(u.dtype\)"),
        ("exit()", "SystemExit"),
        ("return u[:, 1:]", r"maps \(2, 24, 1\) to \(2, 23, 1\)"),
        ("return u * float('nan')", "not finite"),
        ("return self.gain * u + torch.rand_like(u)", "different outputs for the same input"),
        ("self.gain.data += 1; return self.gain * u", "different outputs for the same input"),
    ],
)
def test_the_first_broken_promise_is_named(forward: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(ArchitectureError, match=message):
        check_promises(builder(write(tmp_path, forward)), length=LENGTH)


@pytest.mark.parametrize(
    ("parts", "states"),
    [
        (
            {
                "forward": "return self.gain * (u @ self.R.to(u.device)).roll(-1, 1)",
                "init": GAIN + "; self.R = torch.randn(width, width); "
                "self.unused = nn.Parameter(torch.ones(3))",
            },
            {"stored": "broken", "causal": "broken", "gradients": "warning"},
        ),
        (
            {"forward": "return self.gain * u * float('nan')"},
            {"output": "broken", "causal": "not judged", "gradients": "not judged"},
        ),
    ],
)
def test_promises_after_a_broken_one_are_judged_if_they_can_be(
    parts: dict[str, str], states: dict[str, str], tmp_path: Path
) -> None:
    outcomes = judge_promises(builder(write(tmp_path, **parts)), length=LENGTH)
    found = {outcome.promise.name: outcome.state for outcome in outcomes}
    assert list(found) == [promise.name for promise in PROMISES]
    assert states.items() <= found.items()
    assert {name for name, state in found.items() if state == "broken"} <= states.keys()
    for outcome in outcomes:
        assert outcome.state == "not declared" or bool(outcome.message) == (
            outcome.state != "holds"
        )


class Undeclared(nn.Module):
    """A model of four taps that declares what it is told to."""

    def __init__(self, squared: bool = False, **declared: Any) -> None:
        super().__init__()
        self.taps, self.squared = nn.Parameter(torch.linspace(1, 2, 4)), squared
        for name, value in declared.items():
            setattr(self, name, value)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = sum(k * nn.functional.pad(x, (0, 0, s, 0))[:, :LENGTH] for s, k in enumerate(self.taps))
        return y**2 if self.squared else y


@pytest.mark.parametrize(
    ("options", "states"),
    [
        ({}, {"linear": "measured: linear", "receptive field": "measured: lags up to 3 reach"}),
        ({"squared": True}, {"linear": "measured: not linear"}),
        ({"receptive_field": 4}, {"receptive field": "holds", "receptive field reached": "holds"}),
        (
            {"receptive_field": 99, "squared": True, "state_size": 3},
            {
                "receptive field": f"sequences of {LENGTH} steps are too short",
                "receptive field reached": "too short",
                "state size": "state_size = 3 is declared; only that of a linear model",
            },
        ),
        (
            {"linear": True, "state_size": 13},
            {"linear": "holds", "state size": "state_size = 13 is declared; sequences of 24"},
        ),
        ({"linear": True, "state_size": 3}, {"linear": "holds", "state size": "holds"}),
    ],
)
def test_only_what_was_checked_holds(options: dict[str, Any], states: dict[str, str]) -> None:
    settings = {"model": Undeclared, "options": options}
    build = partial(build_model, settings, width=WIDTH, length=LENGTH)
    for outcome in judge_promises(build, length=LENGTH):
        expected = states.get(outcome.promise.name, "")
        if outcome.promise.name in (
            "linear",
            "receptive field",
            "receptive field reached",
            "state size",
        ):
            assert (outcome.state == "holds") == (expected == "holds")
            assert expected == "holds" or expected in outcome.message
        elif outcome.promise.name == "step form":
            assert (outcome.state, outcome.message) == ("not declared", "")


SOUND: dict[str, tuple[str, dict[str, str]]] = {
    "frozen float64 parameter first": (
        "",
        {
            "forward": "return self.gain * u * self.a.to(u.dtype)",
            "init": "self.a = nn.Parameter(torch.ones(width).double(), requires_grad=False); "
            + GAIN,
        },
    ),
    "int64 parameter first": (
        "",
        {
            "forward": "return self.gain * u[..., self.index]",
            "init": "self.index = nn.Parameter(torch.arange(width), requires_grad=False); " + GAIN,
        },
    ),
    "dropout": (
        "",
        {"forward": "return self.drop(self.gain * u)", "init": GAIN + "; self.drop = nn.Dropout()"},
    ),
    "unused": (
        "no gradient reaches layers.0.mixer.unused",
        {
            "forward": "return self.gain * u",
            "init": GAIN + "; self.unused = nn.Parameter(torch.ones(3))",
        },
    ),
    "batch normalisation": (
        "in training mode, an output depends on the other sequences.*: .* by itself \\(nn.LayerN",
        {
            "forward": "return self.N(u.mT).mT",
            "init": "self.N = nn.BatchNorm1d(width)",
        },
    ),
    "table of positions": (
        "it does not run on sequences of 48 steps.*: its errors there will be NaN; declare",
        {
            "forward": "return u + self.P",
            "init": "self.P = nn.Parameter(torch.zeros(length, width))",
        },
    ),
    "declared table of positions": (
        "",
        {
            "forward": "return u + self.P",
            "init": "self.P = nn.Parameter(torch.zeros(length, width)); "
            "Own.maximum_length = length",
        },
    ),
    "chaos": (  # rounding errors reach the size of the output, which is no broken promise
        "",
        {
            "forward": "h, y = torch.zeros_like(u[:, 0]), []\n"
            "        for u_t in u.unbind(1):\n"
            "            h = torch.sin(6 * h.flip(-1).cumsum(-1) + self.gain * u_t); y.append(h)\n"
            "        return torch.stack(y, 1)"
        },
    ),
}


@pytest.mark.parametrize("case", SOUND)
def test_a_sound_model_passes_and_its_author_is_told_what_matters(
    case: str, tmp_path: Path, device: torch.device
) -> None:
    warning, parts = SOUND[case]
    build = builder(write(tmp_path, **parts))
    warnings = check_promises(build, length=LENGTH, lengths_of_evaluation=[48, 96], device=device)
    assert len(warnings) == bool(warning)
    assert re.search(warning, "".join(warnings))


OPTIONS: dict[str, list[dict[str, Any]]] = {
    "rnn": [{}, {"nonlinearity": "identity"}, {"recurrent": "identity"}],
    "gru": [{"chrono": 16}],
    "lstm": [{"chrono": 16}],
    "slstm": [{"heads": 1}, {"heads": 2}],
    "mamba": [{}, {"state": 2, "kernel_size": 1}],
    "hyena": [{"order": n, "filter_width": 8} for n in (1, 2, 3)],
    "s5": [{}, {"state": 8, "blocks": 2}],
    "tcn": [{}, {"kernel_size": 2, "dilation_base": 3}, {"kernel_size": 1}],
    "transformer": [
        {"positions": p, "heads": 1} for p in ("none", "sinusoidal", "learned", "rope", "alibi")
    ]
    + [{"positions": "t5", "window": 3, "heads": 1}],
    "s4d": [{"init": i, "state": n} for i in ("lin", "inv", "legs", "real") for n in (2, 8, 32)],
    "lru": [{"state": 1}, {"state": 3, "r_min": 0.9, "r_max": 0.999}],
    "stable_ssm": [
        {"parameterisation": p, "state": 2} for p in ("direct", "exp", "softplus", "best")
    ],
    **{name: [{"heads": 1}] for name in ("retnet", "gla", "rwkv7")},
    "gated_deltanet": [{"kernel_size": 1}, {"heads": 3}],
    "mamba2": [{"state": 1, "heads": 1}],
    "mlstm": [{"heads": 2, "block_size": 2}],
}


@pytest.mark.parametrize("name", registered())
def test_no_false_alarm(name: str, device: torch.device) -> None:
    draw = random.Random(f"{name} 1")
    for _ in range(5):
        changes = {
            "layers": draw.choice([1, 2]),
            "norm": draw.choice(["none", "layer", "rms"]),
            "residual": draw.choice([True, False]),
            "activation": draw.choice(["none", "none", "relu", "tanh", "gelu"]),
            "options": draw.choice(OPTIONS.get(name, [{}])),
        }
        size = {"width": draw.choice([2, 4, 6]), "length": draw.choice([4, 7, 33, 64])}
        torch.manual_seed(draw.randrange(100))
        build = builder(name, **size, **changes)
        longer = [2 * size["length"], 4 * size["length"]]
        check_promises(build, length=size["length"], lengths_of_evaluation=longer, device=device)


def test_the_longest_sequences_are_checked_at_as_many_steps_as_fit(tmp_path: Path) -> None:
    leaks = "return self.gain * u + u.roll(-1500, 1)"
    with pytest.raises(ArchitectureError, match="not causal"):
        check_promises(builder(write(tmp_path, leaks), length=4096), length=4096)


class Pairs(torch.nn.Module):
    """Refuses marks other than 0 and 1, and may look at the mark of the next step."""

    def __init__(self, early: int) -> None:
        super().__init__()
        self.early = early
        self.gain = torch.nn.Parameter(torch.ones(1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        value, mark = x.unbind(-1)
        if not torch.isin(mark, torch.tensor([0.0, 1.0])).all():
            raise ValueError("a mark is 0 or 1")
        return (self.gain * value * mark.roll(-self.early, 1))[..., None]


@pytest.mark.parametrize("early", [0, 1])
def test_models_of_marked_tasks_are_checked_on_pairs(early: int) -> None:
    def build() -> Any:
        own = {"model": lambda: Pairs(early)}
        return build_model(own, width=1, length=LENGTH, d_in=2)

    found = {o.promise.name: o for o in judge_promises(build, length=LENGTH) if o.state == "broken"}
    assert list(found) == ["causal"] * early
    if early:
        assert "y_t depends on x_(t+k)" in found["causal"].message
    linear = architecture_settings("s4d", activation="none")
    check_promises(lambda: build_model(linear, width=1, length=LENGTH, d_in=2), length=LENGTH)
