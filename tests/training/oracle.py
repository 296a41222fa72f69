"""A plain training loop for one member: torch's module, AdamW and clip_grad_norm_."""

from __future__ import annotations

from typing import Any

import torch

from mfbench.study.training import TrainingSettings
from mfbench.training.data import TrainingData
from mfbench.training.schedule import learning_rate_factor
from mfbench.training.streams import BatchOrder
from mfbench.training.trainer import initial_model


def train_plainly(
    architecture: dict[str, Any],
    data: TrainingData,
    *,
    width: int,
    learning_rate: float,
    seed: int,
    settings: TrainingSettings,
) -> tuple[list[float], dict[str, torch.Tensor]]:
    """Return the losses of all steps and the final parameters by name."""
    model = initial_model(architecture, width=width, length=data.length, seed=seed)
    chosen = settings.optimiser
    factor = {"decayed": 1.0, "plain": 1.0, "ssm": chosen.ssm_learning_rate_factor}
    decay = {"decayed": chosen.weight_decay, "plain": 0.0, "ssm": 0.0}
    named = dict(model.named_parameters())
    groups = [
        {"params": [named[name] for name in names], "weight_decay": decay[kind], "kind": kind}
        for kind, names in model.parameter_groups().items()
        if names
    ]
    optimiser = torch.optim.AdamW(groups, betas=chosen.betas, eps=chosen.epsilon)
    order = BatchOrder(seed=seed, sequences=len(data.x), batch_size=settings.batch_size)
    losses = []
    for step in range(max(settings.steps)):
        rows = torch.from_numpy(order.rows(step, 1)[0])
        residual = model(data.x[rows])[..., 0] - data.y[rows]
        loss = residual[:, data.scored_from :].square().mean()
        optimiser.zero_grad()
        loss.backward()
        if settings.gradient_clipping is not None:
            torch.nn.utils.clip_grad_norm_(model.parameters(), settings.gradient_clipping)
        now = learning_rate_factor(step, steps=max(settings.steps), schedule=settings.schedule)
        for group in optimiser.param_groups:
            group["lr"] = learning_rate * now * factor[group["kind"]]
        optimiser.step()
        losses.append(loss.item())
    return losses, {name: p.detach() for name, p in named.items()}
