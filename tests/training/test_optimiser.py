"""AdamW over rows computes the same as torch's AdamW on each row."""

from __future__ import annotations

import pytest
import torch

from mfbench.models.build import build_model
from mfbench.study.training import Optimiser
from mfbench.training.optimiser import AdamW, clip
from tests.conftest import architecture_settings

SETTINGS = Optimiser(
    betas=(0.8, 0.95), epsilon=1e-6, weight_decay=0.1, ssm_learning_rate_factor=0.3
)
RATES = [0.01, 0.3]


@pytest.mark.parametrize("norm", [None, 0.05])
@pytest.mark.parametrize("name", ["s4d", "lru", "lstm", "transformer"])
def test_each_row_agrees_with_torchs_adamw_and_its_groups(name: str, norm: float | None) -> None:
    torch.manual_seed(0)
    models = [build_model(architecture_settings(name), width=4, length=10).double() for _ in RATES]
    groups = models[0].parameter_groups()
    own = AdamW(
        torch.stack([torch.nn.utils.parameters_to_vector(m.parameters()).detach() for m in models]),
        RATES,
        sizes={n: p.numel() for n, p in models[0].named_parameters()},
        groups=groups,
        settings=SETTINGS,
    )
    references = []
    for model in models:
        named = dict(model.named_parameters())
        treated = {"decayed": (0.1, 1.0), "plain": (0.0, 1.0), "ssm": (0.0, 0.3)}
        references.append(
            torch.optim.AdamW(
                [
                    {
                        "params": [named[n] for n in groups[kind]],
                        "weight_decay": decay,
                        "scale": scale,
                    }
                    for kind, (decay, scale) in treated.items()
                ],
                betas=(0.8, 0.95),
                eps=1e-6,
            )
        )
    corrections = own.corrections(range(25))
    generator = torch.Generator().manual_seed(1)
    for step in range(25):
        factor = 1.0 + step % 3
        gradient = torch.randn(own.parameters.shape, generator=generator, dtype=torch.float64)
        gradient[1] *= 1e6 ** (step % 2)
        for i, (model, reference) in enumerate(zip(models, references, strict=True)):
            torch.nn.utils.vector_to_parameters(gradient[i].clone(), grads := grads_of(model))
            for parameter, grad in zip(model.parameters(), grads, strict=True):
                parameter.grad = grad.detach()
            if norm is not None:
                torch.nn.utils.clip_grad_norm_(model.parameters(), norm)
            for group in reference.param_groups:
                group["lr"] = RATES[i] * factor * group["scale"]
            reference.step()
        if norm is not None:
            clip(gradient, norm)
        own.step(gradient, torch.tensor(factor), corrections[step])
    for i, model in enumerate(models):
        expected = torch.nn.utils.parameters_to_vector(model.parameters())
        torch.testing.assert_close(own.parameters[i], expected, rtol=1e-9, atol=1e-12)


def grads_of(model: torch.nn.Module) -> list[torch.Tensor]:
    return [torch.zeros_like(p) for p in model.parameters()]
