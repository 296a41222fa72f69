"""Trainers whose steps are timed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch

from mfbench.study.training import TrainingSettings
from mfbench.training.data import TrainingData
from mfbench.training.trainer import Member, Trainer

STEPS = 100_000  # more than any measurement takes
CPU = torch.device("cpu")


def training_data(*, length: int, device: torch.device = CPU) -> TrainingData:
    """The task of remembering the input of the step before."""
    x = torch.randn(4096, length, 1, generator=torch.Generator().manual_seed(0)).to(device)
    y = x[..., 0].roll(1, 1)
    return TrainingData(x, y, x[:128], y[:128], scored_from=length // 2)


def settings_of(batch: int, *, steps: int = STEPS) -> TrainingSettings:
    """The training section of a study, with almost no validations."""
    return TrainingSettings.model_validate({"steps": steps, "validations": 2, "batch_size": batch})


def make_trainer(
    architecture: Mapping[str, Any],
    data: TrainingData,
    *,
    members: int,
    width: int,
    settings: TrainingSettings,
) -> Trainer:
    """Members with seeds of their own."""
    together = [Member(data, 1e-3, seed=i) for i in range(members)]
    return Trainer(architecture, together, width=width, settings=settings)


def advance(trainer: Trainer, count: int, step: Callable[[], None] | None = None) -> None:
    """So many steps as `Trainer.train` takes them, without validations and checkpoints."""
    step = step or trainer._run_step
    end = trainer.step + count
    trainer.validated = [end]  # where `prepare` stops: no more batches are drawn than are used
    while trainer.step < end:
        trainer.prepare()
        while trainer.step < min(end, trainer._until):
            trainer._seed_noise()
            step()
            trainer.step += 1
        trainer._look()
