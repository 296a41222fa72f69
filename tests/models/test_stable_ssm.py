"""StableSSM: its maps from weight to pole, and their effect on gradients."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mfbench.models.architectures.stable_ssm import StableSSM, pole, weight
from mfbench.models.build import build_model
from mfbench.models.judging import check_promises
from tests.conftest import architecture_settings

NAMES = ["direct", "exp", "softplus", "best"]


def gradient(name: str, poles: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The trained weight that gives these poles, and d lambda / d weight there."""
    w = weight(name, poles).requires_grad_()
    (slope,) = torch.autograd.grad(pole(name, w).sum(), w)
    return w.detach(), slope


@pytest.mark.parametrize("name", NAMES)
def test_each_map_has_its_inverse(name: str) -> None:
    poles = torch.linspace(0.001, 0.999, 99, dtype=torch.float64)
    torch.testing.assert_close(pole(name, weight(name, poles)), poles, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("name", ["exp", "softplus", "best"])
def test_every_weight_of_a_reparameterisation_is_stable(name: str) -> None:
    w = torch.linspace(-8, 8, 161, dtype=torch.float64)
    assert pole(name, w).abs().max() <= 1
    assert pole(name, w).abs()[w.abs() > 1e-9].max() < 1  # best is -1 at 0 itself
    assert pole("direct", w).abs().max() == 8


@pytest.mark.parametrize("name", NAMES)
def test_the_gradient_scale_matches_the_closed_form(name: str) -> None:
    # The paper's bound on the gradient in discrete time: const |f'(w)| / (1 - f(w))^2.
    poles = torch.linspace(0.01, 0.999, 60, dtype=torch.float64)
    w, slope = gradient(name, poles)
    expected = {
        "direct": torch.ones_like(poles),
        "exp": -poles * torch.log(poles),
        "softplus": poles * (1 - poles),
        "best": 2 * w * (1 - poles) ** 2,
    }
    torch.testing.assert_close(slope.abs(), expected[name], rtol=1e-8, atol=1e-12)


def test_only_best_keeps_gradient_over_weight_bounded_near_the_boundary() -> None:
    poles = 1 - torch.tensor([1e-1, 1e-2, 1e-3, 1e-4], dtype=torch.float64)
    ratio = {}
    for name in NAMES:
        w, slope = gradient(name, poles)
        ratio[name] = slope.abs() / (1 - poles) ** 2 / w.abs()
    torch.testing.assert_close(ratio["best"], torch.full_like(poles, 2.0), rtol=1e-8, atol=0.0)
    # The others grow with a power of 1 / (1 - lambda): 2 for direct, and for exp and softplus a
    # little less than 1, because of the logarithm in their weight.
    growth = {name: torch.log10(ratio[name][1:] / ratio[name][:-1]) for name in NAMES}
    assert (growth["direct"] > 1.9).all()
    for name in ("exp", "softplus"):
        assert (growth[name] > 0.6).all()
        assert (growth[name] < 1.01).all()


@pytest.mark.parametrize("name", NAMES)
def test_all_parameterisations_start_as_the_same_model(name: str) -> None:
    torch.manual_seed(0)
    first = StableSSM(3, 0, 10, state=5)
    torch.manual_seed(0)
    other = StableSSM(3, 0, 10, state=5, parameterisation=name)
    x = torch.randn(2, 10, 3)
    torch.testing.assert_close(first(x), other(x), rtol=1e-5, atol=1e-6)
    timescales = -1 / torch.log(other.poles().detach())
    assert 1 < timescales.min() < timescales.max() < 100
    ratios = timescales[1:] / timescales[:-1]
    torch.testing.assert_close(ratios, ratios[:1].expand(4), rtol=1e-3, atol=0.0)


def test_states_start_with_unit_variance_under_white_input() -> None:
    torch.manual_seed(0)
    mixer = StableSSM(1, 0, 10, state=4000)
    variance = (mixer.B[:, 0].double() ** 2 / (1 - mixer.poles().double() ** 2)).mean()
    assert variance.item() == pytest.approx(1.0, abs=0.1)


def test_second_moments_of_state_and_sensitivity_under_white_noise() -> None:
    # Zucchet & Orvieto (2024), arXiv 2405.21064: E h^2 = 1 / (1 - l^2) and
    # E (dh/dl)^2 = (1 + l^2) / (1 - l^2)^3; white input makes both a sum over the impulse response.
    mixer, length, pole = (
        StableSSM(1, 0, 1, state=1, parameterisation="direct").double(),
        4000,
        0.99,
    )
    with torch.no_grad():
        mixer.B.fill_(1.0)
        mixer.C.fill_(1.0)
        mixer.D.zero_()
    impulse = torch.zeros(1, length, 1, dtype=torch.float64)
    impulse[0, 0] = 1.0

    def response(w: torch.Tensor) -> torch.Tensor:
        fixed = {**dict(mixer.named_parameters()), "w": w}
        return torch.func.functional_call(mixer, fixed, (impulse,))[0, :, 0]

    mixer.forward = mixer.recur  # fast forms can be differentiated only once
    w = torch.full((1,), pole, dtype=torch.float64)
    h, sensitivity = torch.autograd.functional.jvp(response, w, torch.ones_like(w))
    assert h.square().sum().item() == pytest.approx(50.25, abs=5e-3)
    assert h.square().sum().item() == pytest.approx(1 / (1 - pole**2), rel=1e-10)
    assert sensitivity.square().sum().item() == pytest.approx(2.51e5, rel=2e-3)
    expected = (1 + pole**2) / (1 - pole**2) ** 3
    assert sensitivity.square().sum().item() == pytest.approx(expected, rel=1e-9)


def test_an_unstable_pole_overflows_without_crashing() -> None:
    settings = architecture_settings("stable_ssm", options={"parameterisation": "direct"})
    torch.manual_seed(0)
    model = build_model(settings, width=2, length=400)
    with torch.no_grad():
        model.layers[0].mixer.w.fill_(1.5)  # 1.5^400 is beyond float32
    loss = model(torch.randn(1, 400, 1)).square().mean()
    loss.backward()
    assert not np.isfinite(loss.item())
    assert check_promises(lambda: build_model(settings, width=2, length=400), length=400) == []
