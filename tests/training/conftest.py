"""Tasks, settings and members that train in a moment."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
import torch

from mfbench.study.training import TrainingSettings
from mfbench.training.data import TrainingData
from mfbench.training.progress import Progress
from mfbench.training.trainer import Member, Trainer
from tests.conftest import architecture_settings

GRID = [(0.01, 0), (0.03, 0), (0.01, 1), (0.03, 2)]  # learning rates and seeds


def make_data(scale: float = 1.0) -> TrainingData:
    """A delay by two steps; each scale is another task."""
    generator = torch.Generator().manual_seed(7)
    x = torch.randn(48, 16, 1, generator=generator) * scale
    y = torch.zeros(48, 16)
    y[:, 2:] = x[:, :-2, 0]
    return TrainingData(
        x=x[:32],
        y=y[:32],
        x_validation=x[32:],
        y_validation=y[32:],
        scored_from=8,
    )


def delayed(data: TrainingData, lag: int) -> TrainingData:
    """The data of another cell of the study: the same inputs with another delay."""
    y, y_validation = torch.zeros_like(data.y), torch.zeros_like(data.y_validation)
    y[:, lag:], y_validation[:, lag:] = data.x[:, :-lag, 0], data.x_validation[:, :-lag, 0]
    return dataclasses.replace(data, y=y, y_validation=y_validation)


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


def make_members(
    *,
    data: Sequence[TrainingData] = (),
    grid: Sequence[tuple[float, int]] = GRID,
    progress: Sequence[Progress | None] = (),
) -> list[Member]:
    """Members that take turns at the given cells."""
    if not data:
        first = make_data()
        data = [first, delayed(first, 1), delayed(first, 3), first]
    kept = list(progress) or [None] * len(grid)
    return [Member(data[i % len(data)], rate, seed, kept[i]) for i, (rate, seed) in enumerate(grid)]


def train_together(
    name: str = "rnn",
    *,
    members: Sequence[Member] = (),
    settings: TrainingSettings | None = None,
    save: Callable[[Sequence[Member]], None] | None = None,
    width: int = 4,
    **changes: Any,
) -> list[Progress]:
    """Train members together and return their progress."""
    members = list(members) or make_members()
    architecture = architecture_settings(name, **copy.deepcopy(changes))
    trainer = Trainer(architecture, members, width=width, settings=settings or make_settings())
    # Each step takes one second.
    trainer.train(save=save, clock=lambda: float(trainer.step))
    return trainer.progress


def train_alone(
    name: str = "rnn", *, members: Sequence[Member] = (), **options: Any
) -> list[Progress]:
    """Train the same members one after the other."""
    return [
        train_together(name, members=[member], **options)[0]
        for member in list(members) or make_members()
    ]


def train(
    data: TrainingData,
    name: str = "rnn",
    *,
    learning_rate: float = 0.03,
    seed: int = 0,
    progress: Progress | None = None,
    save: Callable[[Progress], None] | None = None,
    **options: Any,
) -> Progress:
    """Train one member."""
    member = Member(data, learning_rate, seed, progress)
    each = None if save is None else lambda members: save(members[0].progress)
    return train_together(name, members=[member], save=each, **options)[0]


def copied(progress: Progress) -> Progress:
    """A copy of the progress, as a checkpoint would keep it."""
    return copy.deepcopy(progress)


def assert_same(a: Progress, b: Progress) -> None:
    """Check that all numbers are bitwise equal."""
    assert torch.equal(a.losses, b.losses)
    np.testing.assert_array_equal(a.memory.numpy(), b.memory.numpy())  # equal NaNs
    assert (a.train_error, a.validation_error) == (b.train_error, b.validation_error)
    assert (a.best_step, a.best_error, a.diverged_step) == (
        b.best_step,
        b.best_error,
        b.diverged_step,
    )
    assert set(a.tensors) == set(b.tensors)
    for name, tensor in a.tensors.items():
        assert torch.equal(tensor, b.tensors[name]), name


def assert_close(together: Progress, alone: Progress, rtol: float) -> None:
    """Check that all results of training are equal up to rounding."""

    def close(a: Any, b: Any) -> None:
        a, b = np.asarray(a, dtype=float), np.asarray(b, dtype=float)
        size = np.nanmax(np.abs(b), initial=0.0)  # tolerance relative to the largest value
        np.testing.assert_allclose(a, b, rtol=rtol, atol=rtol * size)

    assert (together.step, together.best_step, together.diverged_step) == (
        alone.step,
        alone.best_step,
        alone.diverged_step,
    )
    # Losses after a divergence are meaningless.
    end = together.step
    close(together.losses[:end], alone.losses[:end])
    close(together.train_error, alone.train_error)
    close(together.validation_error, alone.validation_error)
    close(together.memory, alone.memory)
    assert set(together.tensors) == set(alone.tensors)
    for key, tensor in together.tensors.items():
        close(tensor, alone.tensors[key])


@pytest.fixture
def data() -> TrainingData:
    return make_data()


@pytest.fixture
def double():
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)
