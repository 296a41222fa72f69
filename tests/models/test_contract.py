"""The promises of every architecture, over the whole registry and its main options."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from mfbench.models.build import build_model
from mfbench.models.judging import check_promises
from mfbench.models.model import Model
from mfbench.models.registry import registered
from mfbench.models.whole import WholeModel
from tests.conftest import architecture_settings

VARIANTS: list[tuple[str, dict[str, Any]]] = [
    *[(name, {}) for name in registered()],
    ("rnn", {"layers": 2, "residual": True, "norm": "rms"}),
    ("rnn", {"options": {"nonlinearity": "identity"}}),
    ("lstm", {"layers": 2, "norm": "layer", "activation": "silu"}),
    ("tcn", {"options": {"kernel_size": 2, "dilation_base": 3}}),
    ("dilated_convolution", {"residual": True, "activation": "relu"}),
    *[
        ("transformer", {"options": {"positions": p}})
        for p in ("none", "sinusoidal", "learned", "alibi", "t5")
    ],
    ("transformer", {"norm": "none", "options": {"window": 3}}),
    ("transformer", {"options": {"heads": 1}}),
    *[("s4d", {"options": {"init": i, "state": 4}}) for i in ("inv", "legs", "real")],
    ("s4d", {"layers": 2, "residual": True, "norm": "layer", "options": {"state": 4}}),
    ("s4d", {"activation": "none"}),
    ("lru", {"activation": "none", "layers": 2}),
    ("s5", {"activation": "none", "options": {"blocks": 2}}),
    ("mingru", {"layers": 2, "options": {"expansion": 2}}),
    ("mamba", {"layers": 2, "residual": True, "norm": "rms", "options": {"state": 2}}),
    *[("stable_ssm", {"options": {"parameterisation": p}}) for p in ("direct", "exp", "softplus")],
    ("stable_ssm", {"layers": 2, "activation": "tanh", "residual": True}),
    ("gated_deltanet", {"layers": 2, "norm": "rms", "residual": True}),
]  # fmt: skip
WIDTH, LENGTH = 4, 12


def identify(value: Any) -> str:
    if isinstance(value, str):
        return value
    flat = {**value, **value.get("options", {})}
    return ",".join(f"{k}={v}" for k, v in flat.items() if k != "options") or "default"


@pytest.fixture(params=VARIANTS, ids=lambda p: f"{p[0]}-{identify(p[1])}")
def settings(request: pytest.FixtureRequest) -> dict[str, Any]:
    name, changes = request.param
    return architecture_settings(name, **changes)


def make(settings: dict[str, Any], *, seed: int = 0, dtype: torch.dtype = torch.float64) -> Model:
    torch.manual_seed(seed)
    return disturbed(build_model(settings, width=WIDTH, length=LENGTH)).to(dtype)


def disturbed(model: Model) -> Model:
    """At parameters of no special kind: some start at zero, which would hide what follows them."""
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.1)
    return model


def inputs(batch: int = 3, length: int = LENGTH, seed: int = 1) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(batch, length, 1, generator=generator, dtype=torch.float64)


def test_models_have_the_right_shape_and_keep_all_promises(settings: dict[str, Any]) -> None:
    assert make(settings)(inputs()).shape == (3, LENGTH, 1)
    lengths = [2 * LENGTH, 4 * LENGTH]
    warnings = check_promises(
        lambda: build_model(settings, width=WIDTH, length=LENGTH),
        length=LENGTH,
        lengths_of_evaluation=lengths,
    )
    assert warnings == []


def test_strictly_causal_at_every_step(settings: dict[str, Any]) -> None:
    model, x = make(settings), inputs(1)
    y = model(x)
    for t in range(LENGTH):
        changed = x.clone()
        changed[:, t] += 1.0
        difference = (model(changed) - y).abs()[0, :, 0]
        assert difference[:t].max().item() < 1e-12 if t else True
        assert difference[t] > 1e-9  # the model sees the present


def test_gradients_match_finite_differences(settings: dict[str, Any]) -> None:
    model, x = make(settings), inputs(2, 6)
    names = [name for name, _ in model.named_parameters()]

    def function(x: torch.Tensor, *parameters: torch.Tensor) -> torch.Tensor:
        given = dict(zip(names, parameters, strict=True))
        return torch.func.functional_call(model, given, (x,))

    arguments = [x.requires_grad_(), *(p.detach().requires_grad_() for p in model.parameters())]
    assert torch.autograd.gradcheck(function, tuple(arguments), fast_mode=True)


def test_the_same_seed_gives_the_same_model_and_another_does_not(settings: dict[str, Any]) -> None:
    one, same, other = make(settings), make(settings), make(settings, seed=1)
    x = inputs()
    assert torch.equal(one(x), same(x))
    assert not torch.equal(one(x), other(x))


def test_the_parallel_form_equals_the_recurrence(settings: dict[str, Any]) -> None:
    model, x = make(settings), inputs()
    if all(part.recur is None for part in model.parts()):
        with pytest.raises(TypeError, match="no step-by-step form"):
            model.recur(x)
        return
    torch.testing.assert_close(model(x), model.recur(x), rtol=1e-9, atol=1e-11)
    parameters = list(model.parameters())
    weights = torch.linspace(-1, 1, LENGTH, dtype=torch.float64)[:, None]
    parallel = torch.autograd.grad((model(x) * weights).sum(), parameters)
    stepwise = torch.autograd.grad((model.recur(x) * weights).sum(), parameters)
    for a, b in zip(parallel, stepwise, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-8, atol=1e-10)


def test_linear_models_are_exactly_linear_and_others_are_not(settings: dict[str, Any]) -> None:
    model, x = make(settings), inputs(1)
    other = inputs(1, seed=2)
    gap = model(2.0 * x - 3.0 * other) - (2.0 * model(x) - 3.0 * model(other))
    if model.linear:
        assert gap.abs().max() < 1e-12
        assert model(torch.zeros_like(x)).abs().max() == 0
    else:
        assert gap.abs().max() > 1e-6


def test_the_receptive_field_is_as_large_as_declared(settings: dict[str, Any]) -> None:
    length = 48
    torch.manual_seed(0)
    model = disturbed(build_model(settings, width=WIDTH, length=length)).double()
    x = inputs(8, length).requires_grad_()
    (gradient,) = torch.autograd.grad(model(x)[:, -1].sum(), x)
    lags = torch.nonzero(gradient.abs().amax((0, 2)).flip(0) > 1e-300)
    reached = int(lags.max()) + 1
    if model.receptive_field is None:
        assert reached == length
    else:
        assert reached == min(model.receptive_field, length)


def test_parameter_groups_split_all_parameters(settings: dict[str, Any]) -> None:
    model = make(settings)
    groups = model.parameter_groups()
    names = [name for group in groups.values() for name in group]
    assert sorted(names) == sorted(dict(model.named_parameters()))
    declared = {id(p) for p in model.ssm_parameters()}
    assert {id(dict(model.named_parameters())[n]) for n in groups["ssm"]} == declared


C, N, E = WIDTH, 16, 2 * WIDTH
K = 2 * math.ceil(0.75 * C / 2)  # keys of gated_deltanet
EXPECTED_PARAMETERS = {  # without encoder (C, and a bias of C if not linear) and decoder (C)
    "rnn": 2 * C * C + 2 * C,
    "gru": 3 * (2 * C * C + 2 * C),
    "lstm": 4 * (2 * C * C + 2 * C),
    "tcn": 4 * 2 * (3 * C * C + 2 * C),
    "dilated_convolution": 4 * 3 * C * C,
    "transformer": 2 * (4 * C * C + 2 * (2 * C * C) + 2 * C + C + 4 * C) + 2 * C,
    "s4d": C + 2 * C * N // 2 + C * N + C + C * C + C,
    "lru": 3 * N + 4 * N * C + C + C,
    "stable_ssm": N + 2 * N * C + C,
    "s5": 3 * N // 2 + 2 * N * C + C + C,
    "mamba": 2 * E * C + E * (4 + 1) + E * (1 + 2 * N) + 2 * E + E * N + E + E * C,
    "mingru": 2 * C * C,
    "slstm": 4 * C * C + 4 * C + 4 * C,  # 4 heads of one unit
    "hyena": 3 * C * (C + 1 + 3 + 1) + 6 * 64 + 2 * 65 * 64 + 64 + 2 * C * (64 + 1) + C * C + C,
    "esn": C + 1 + 1,
    "retnet": 2 * C * C + 3 * (2 * C * C),
    "gla": 4 * C * C + C + 16 * C + 17 * C // 2 + C,
    "gated_deltanet": 4 * K * (C + 4) + 4 * C + 4 * K * C + K + 4,
    "mamba2": C * (4 * C + 2 * N + 4) + 5 * (2 * C + 2 * N) + 12 + 2 * C + 2 * C * C,
    "rwkv7": 4 * C * C + 2 * C * (5 + 5 + 10) + (6 + 7) * C,
    "mlstm": 4 * C * C + 17 * 2 * C + 2 * (4 * 6 * C + 4) + 2 * 2 * C + 2 * C * C,
}
EXPECTED_STATE = {
    "rnn": C, "gru": C, "lstm": 2 * C, "s4d": C * N, "lru": 2 * N, "stable_ssm": N, "s5": N,
    "mamba": E * N + 3 * E, "mingru": C, "slstm": 4 * C, "esn": C,
    "retnet": 2 * C * C // 2,
    "gla": C * C // 4,
    "gated_deltanet": K * K + 3 * 4 * K,
    "mamba2": 2 * C * N + 3 * (2 * C + 2 * N),
    "rwkv7": C * C // 2 + C,
    "mlstm": 4 * ((C // 2 + 1) * C // 2 + 1) + 3 * 2 * C,
}  # fmt: skip


@pytest.mark.parametrize("name", registered())
def test_numbers_of_parameters_and_states_match_the_formulas(name: str) -> None:
    model = make(architecture_settings(name))
    around = 0 if isinstance(model, WholeModel) else 2 * C if model.linear else 3 * C
    assert sum(p.numel() for p in model.parameters()) == EXPECTED_PARAMETERS[name] + around
    assert model.state_size == EXPECTED_STATE.get(name)


@pytest.mark.parametrize("name", EXPECTED_STATE)
def test_the_state_is_as_large_as_declared(name: str) -> None:
    model = make(architecture_settings(name))

    def reals(state: Any) -> int:
        if isinstance(state, tuple):
            return sum(reals(part) for part in state)
        return state[0].numel() * (2 if state.is_complex() else 1)

    recurrent = [model.root] if isinstance(model, WholeModel) else model.recurrent_mixers()
    states = [each.initial_state(1) for each in recurrent]
    assert sum(reals(state) for state in states) == model.state_size


@pytest.mark.parametrize(
    ("name", "options"),
    [("rnn", {"nonlinearity": "identity"}), ("stable_ssm", {"state": 1})],
)
def test_one_state_is_enough_for_an_exponential(name: str, options: dict[str, Any]) -> None:
    torch.manual_seed(0)
    settings = architecture_settings(name, options=options)
    model = build_model(settings, width=1, length=LENGTH).double()
    assert model.state_size == 1
    assert model.linear
    parameters = dict(model.named_parameters())
    with torch.no_grad():
        for parameter in parameters.values():
            parameter.fill_(1.0)
        if name == "rnn":
            parameters["layers.0.mixer.U"].fill_(0.75)
        else:  # best: f(w) = 3/4 where w^2 + 1/2 = 4
            parameters["layers.0.mixer.w"].fill_(3.5**0.5)
            parameters["layers.0.mixer.D"].fill_(0.0)
    impulse = torch.zeros(1, LENGTH, 1, dtype=torch.float64)
    impulse[0, 0] = 1.0
    expected = 0.75 ** torch.arange(LENGTH, dtype=torch.float64)
    torch.testing.assert_close(model(impulse)[0, :, 0], expected, rtol=1e-12, atol=1e-14)
