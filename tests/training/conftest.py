"""A task and settings that train in a moment."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from mfbench.config.training import TrainingSettings
from mfbench.training.data import TrainingData
from mfbench.training.member import Run, train_member
from mfbench.training.progress import Progress
from tests.conftest import architecture_settings


def make_data(scale: float = 1.0) -> TrainingData:
    generator = torch.Generator().manual_seed(7)
    x = torch.randn(48, 16, generator=generator) * scale
    y = torch.zeros_like(x)
    y[:, 2:] = x[:, :-2]
    return TrainingData(
        x=x[:32],
        y=y[:32],
        x_validation=x[32:],
        y_validation=y[32:],
        scored_from=8,
        variance=scale**2,
    )


def make_settings(**changes: Any) -> TrainingSettings:
    given = {
        "steps": 30,
        "batch_size": 8,
        "learning_rates": [0.01, 0.03],
        "seeds": [0, 1],
        "validations": 6,
        **changes,
    }
    return TrainingSettings.model_validate(given)


def train(data: TrainingData, name: str = "rnn", **options: Any) -> Progress:
    settings = options.pop("settings", make_settings())
    given = {"width": 4, "learning_rate": 0.03, "seed": 0, **options}
    loop = {key: given.pop(key) for key in ("save", "clock") if key in given}
    return train_member(Run(architecture_settings(name), data, settings=settings, **given), **loop)


@pytest.fixture
def data() -> TrainingData:
    return make_data()
