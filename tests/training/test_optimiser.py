"""The flat AdamW is torch's."""

from __future__ import annotations

import pytest
import torch

from mfbench.architectures.build import build_model
from mfbench.config.training import Optimiser
from mfbench.training.optimiser import FlatAdamW
from tests.conftest import architecture_settings


def models(name: str = "s4d"):
    torch.manual_seed(0)
    settings = architecture_settings(name)
    one = build_model(settings, width=4, length=10).double()
    other = build_model(settings, width=4, length=10).double()
    other.load_state_dict(one.state_dict())
    return one, other


def loss_of(model, step: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(step)
    x = torch.randn(5, 10, 1, generator=generator, dtype=torch.float64)
    return (model(x) - x.roll(1, 1)).square().mean()


@pytest.mark.parametrize("clip", [None, 0.05])
@pytest.mark.parametrize("name", ["s4d", "lru", "lstm", "transformer"])
def test_flat_adamw_equals_torchs_with_its_parameter_groups(name: str, clip: float | None) -> None:
    model, oracle = models(name)
    settings = Optimiser(
        betas=(0.8, 0.95), epsilon=1e-6, weight_decay=0.1, ssm_learning_rate_factor=0.3
    )
    flat = FlatAdamW(model, settings)
    named, groups = dict(oracle.named_parameters()), oracle.parameter_groups()
    reference = torch.optim.AdamW(
        [
            {"params": [named[n] for n in groups["decayed"]], "weight_decay": 0.1, "scale": 1.0},
            {"params": [named[n] for n in groups["plain"]], "weight_decay": 0.0, "scale": 1.0},
            {"params": [named[n] for n in groups["ssm"]], "weight_decay": 0.0, "scale": 0.3},
        ],
        betas=(0.8, 0.95),
        eps=1e-6,
    )
    for step in range(25):
        rate = 0.01 * (1 + step % 3)
        flat.differentiate(loss_of(model, step))
        reference.zero_grad()
        loss_of(oracle, step).backward()
        if clip is not None:
            flat.clip(clip)
            torch.nn.utils.clip_grad_norm_(oracle.parameters(), clip)
        for group in reference.param_groups:
            group["lr"] = rate * group["scale"]
        flat.step(step, rate)
        reference.step()
    for (n, p), q in zip(model.named_parameters(), oracle.parameters(), strict=True):
        torch.testing.assert_close(p, q, rtol=1e-9, atol=1e-12, msg=n)


def test_the_model_works_on_the_flat_vector() -> None:
    model, _ = models()
    flat = FlatAdamW(model, Optimiser())
    x = torch.randn(2, 10, 1, dtype=torch.float64)
    before = model(x)
    with torch.no_grad():
        flat.parameters.zero_()
    assert model(x).abs().max() == 0
    assert before.abs().max() > 0


def test_a_stack_of_optimisers_is_its_members_each_with_its_own_rate_and_clipping() -> None:
    settings = Optimiser(betas=(0.8, 0.95), weight_decay=0.1, ssm_learning_rate_factor=0.3)
    alone, members = ([FlatAdamW(model, settings) for model in models()] for _ in range(2))
    stack = FlatAdamW.stack(members)
    rates, generator = [0.01, 0.3], torch.Generator().manual_seed(1)
    for step in range(5):
        gradient = torch.randn(stack.gradient.shape, generator=generator, dtype=torch.float64)
        gradient[1] *= 1e6 ** (step % 2)
        stack.gradient.copy_(gradient)
        stack.clip(0.1)
        stack.step(step, torch.tensor(rates, dtype=torch.float64)[:, None] * 0.5**step)
        for i, one in enumerate(alone):
            one.gradient.copy_(gradient[i])
            one.clip(0.1)
            one.step(step, rates[i] * 0.5**step)
    for i, one in enumerate(alone):
        for name, vector in one.state().items():
            torch.testing.assert_close(members[i].state()[name], vector, rtol=1e-12, atol=1e-15)
            assert members[i].state()[name].data_ptr() == stack.state()[name][i].data_ptr()


def test_state_can_be_restored() -> None:
    model, other = models()
    flat = FlatAdamW(model, Optimiser())
    for step in range(3):
        flat.differentiate(loss_of(model, step))
        flat.step(step, 0.01)
    again = FlatAdamW(other, Optimiser())
    again.restore({name: v.clone() for name, v in flat.state().items()})
    for optimiser, m in ((flat, model), (again, other)):
        optimiser.differentiate(loss_of(m, 3))
        optimiser.step(3, 0.01)
    assert torch.equal(flat.parameters, again.parameters)
