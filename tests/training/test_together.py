"""Members that train together, compared with a plain loop and with the same members alone."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from mfbench.models.registry import registered
from mfbench.training.checkpoints import Checkpoints
from mfbench.training.run import Run
from mfbench.training.streams import BatchOrder
from mfbench.training.trainer import Member, Trainer
from tests.conftest import architecture_settings
from tests.training.conftest import (
    GRID,
    assert_close,
    assert_same,
    delayed,
    make_data,
    make_members,
    make_settings,
    train_alone,
    train_together,
)
from tests.training.oracle import train_plainly

VARIANTS: list[tuple[str, dict[str, Any]]] = [
    ("rnn", {}),
    ("rnn", {"options": {"nonlinearity": "identity"}}),
    ("lstm", {"layers": 2, "norm": "rms", "residual": True}),
    *[
        ("transformer", {"layers": 1, "options": {"positions": p}})
        for p in ("none", "sinusoidal", "learned", "alibi")
    ],
]


OTHERWISE = {
    "optimiser": {"weight_decay": 0.3, "ssm_learning_rate_factor": 0.1, "betas": (0.8, 0.9)},
    "gradient_clipping": None,
    "schedule": {"name": "constant", "warm_up": 0.2},
}


def tame(name: str, grid: list[tuple[float, int]]) -> list[tuple[float, int]]:
    """Large steps in hyena's filters, sines of high frequency, are chaotic: rounding grows."""
    return [(0.03 * rate, seed) for rate, seed in grid] if name == "hyena" else grid


@pytest.mark.parametrize(
    ("name", "changes"),
    [*((name, {"optimiser": {"weight_decay": 0.1}}) for name in registered()), ("lru", OTHERWISE)],
)
def test_training_agrees_with_a_plain_loop(
    name: str, changes: dict[str, Any], double: None
) -> None:
    # Wide enough for heads of more than two channels, whose layer norm would be almost a sign.
    width, settings = 8, make_settings(memory_probes=0, **changes)
    members = make_members(grid=tame(name, [(0.01, 0), (0.002, 1)]))
    trainer = Trainer(architecture_settings(name), members, width=width, settings=settings)
    trainer.train()
    rows = trainer.ensemble.split(trainer.ensemble.parameters)
    for i, member in enumerate(members):
        losses, parameters = train_plainly(
            architecture_settings(name),
            member.data,
            width=width,
            learning_rate=member.learning_rate,
            seed=member.seed,
            settings=settings,
        )
        np.testing.assert_allclose(trainer.progress[i].losses, losses, rtol=0, atol=1e-10)
        for key, expected in parameters.items():
            torch.testing.assert_close(rows[key][i], expected, rtol=0, atol=1e-10, msg=key)


@pytest.mark.parametrize(("name", "changes"), VARIANTS)
def test_members_together_agree_with_members_alone(
    name: str, changes: dict[str, Any], double: None
) -> None:
    grid = tame(name, GRID[1:3])
    together = train_together(name, members=make_members(grid=grid), **changes)
    alone = train_alone(name, members=make_members(grid=grid), **changes)
    for a, b in zip(together, alone, strict=True):
        assert a.finished
        assert (a.ensemble_size, b.ensemble_size) == (2, 1)
        assert (a.ensemble > 0, b.ensemble) == (True, 0)
        assert_close(a, b, 1e-10)
    assert not torch.equal(together[0].losses, together[1].losses)


def test_members_may_have_different_inputs(double: None) -> None:
    first, other = make_data(), make_data(0.5)
    data = [first, dataclasses.replace(other, x=other.x.flip(0), x_validation=other.x_validation)]
    together = train_together(members=make_members(data=data))
    for a, b in zip(together, train_alone(members=make_members(data=data)), strict=True):
        assert_close(a, b, 1e-10)


def test_a_huge_gradient_of_one_member_changes_no_other() -> None:
    first = make_data()
    settings = make_settings(gradient_clipping=0.1)
    with_huge, without = (
        train_together(members=make_members(data=[first, other, first, first]), settings=settings)
        for other in (dataclasses.replace(first, y=1e6 * first.y), first)
    )
    for i in (0, 2, 3):
        assert_same(with_huge[i], without[i])
    assert not torch.equal(with_huge[1].losses, without[1].losses)


def test_a_member_that_diverges_does_not_change_the_others(double: None) -> None:
    first = make_data()
    poisoned = dataclasses.replace(first, y=first.y.clone())
    order = BatchOrder(seed=GRID[1][1], sequences=32, batch_size=8)
    poisoned.y[int(order.rows(2, 1)[0, 0])] = float("nan")
    data = [first, poisoned, delayed(first, 1), first]
    together = train_together(members=make_members(data=data))
    alone = train_alone(members=make_members(data=data))
    assert alone[1].diverged_step == 3
    for a, b in zip(together, alone, strict=True):
        assert_close(a, b, 1e-10)
        assert a.finished
    assert together[1].step == 4  # detected at the next validated step
    assert len({p.ensemble for p in together}) == 1
    bad = dataclasses.replace(first, y=torch.full_like(first.y, float("nan")))
    last = train_together(members=make_members(data=[bad, bad, first, bad]))
    assert [p.diverged_step for p in last] == [1, 1, -1, 1]
    assert_close(last[2], train_alone(members=make_members(data=[first]))[2], 1e-10)
    none_left = train_together(members=make_members(data=[bad]))
    assert [p.step for p in none_left] == [1] * 4  # training ends


def test_an_error_above_the_threshold_is_a_divergence(double: None) -> None:
    settings = make_settings(diverged_above=1.2)
    first = make_data()
    data = [first, dataclasses.replace(first, y_validation=5 * first.y_validation)]
    together = train_together(members=make_members(data=data), settings=settings)
    assert [p.diverged_step for p in together] == [-1, 1, -1, 1]
    alone = train_alone(members=make_members(data=data), settings=settings)
    for a, b in zip(together, alone, strict=True):
        assert_close(a, b, 1e-10)


class KilledError(Exception):
    pass


@pytest.mark.parametrize("diverging", [False, True])
@pytest.mark.parametrize("name", ["gru", "s4d"])
def test_killed_members_continue_together_with_the_same_numbers(
    name: str, diverging: bool, tmp_path: Path
) -> None:
    first = make_data()
    bad = dataclasses.replace(first, y=torch.full_like(first.y, float("nan")))
    data = [first, bad if diverging else first, delayed(first, 1), first]
    settings = make_settings(checkpoints={"minutes": 0})
    whole = train_together(name, members=make_members(data=data), settings=settings)
    checkpoints, saves = Checkpoints(tmp_path), 0

    def save(members: list[Member]) -> None:
        nonlocal saves
        saves += 1
        for member in members:
            assert member.progress is not None
            run = Run(30, member.learning_rate, member.seed)
            checkpoints.save(run, "key", member.progress)
        if saves == 12:
            raise KilledError

    with pytest.raises(KilledError):
        train_together(name, members=make_members(data=data), settings=settings, save=save)
    progress = [checkpoints.load(Run(30, *member), "key") for member in GRID]
    assert all(p is not None for p in progress)
    left = [m for m in make_members(data=data, progress=progress) if not m.finished]
    assert [m.progress.step for m in left if m.progress] == [12] * (3 if diverging else 4)
    resumed = train_together(name, members=left, settings=settings)
    expected = [p for p in whole if p.diverged_step < 0]
    for a, b in zip(resumed, expected, strict=True):
        assert_same(a, b)


def test_training_is_reproducible_and_members_share_its_time() -> None:
    for a, b in zip(train_together("s4d"), train_together("s4d"), strict=True):
        assert_same(a, b)
        assert a.seconds == 30 / 4


USERS = """
import torch
from torch import nn
from mfbench.models.mixer import Mixer


class Base(Mixer):
    def __init__(self, width, layer, length):
        super().__init__()
        self.W = nn.Linear(width, width)


class Partly(Base):
    def __init__(self, width, layer, length):
        super().__init__(width, layer, length)
        self.V = nn.Linear(width, width)
        self.V.weight.requires_grad_(False)
        self.unused = nn.Parameter(torch.ones(3))

    def forward(self, u):
        return torch.tanh(self.V(self.W(u)))


class Tied(Base):
    def __init__(self, width, layer, length):
        super().__init__(width, layer, length)
        self.V = nn.Linear(width, width)
        self.V.weight = self.W.weight

    def forward(self, u):
        return torch.tanh(self.V(self.W(u)))


class Running(Base):
    def __init__(self, width, layer, length):
        super().__init__(width, layer, length)
        self.register_buffer("mean", torch.zeros(width))

    def forward(self, u):
        if self.training:
            self.mean.mul_(0.9).add_(u.detach().mean((0, 1)), alpha=0.1)
        return self.W(u) - self.mean


class Replacing(Running):
    def forward(self, u):
        if self.training:
            self.mean = 0.9 * self.mean + 0.1 * u.detach().mean((0, 1))
        return self.W(u) - self.mean
"""


@pytest.mark.parametrize("name", ["Partly", "Tied", "Running"])
def test_members_keep_their_own_frozen_unused_and_tied_parameters_and_buffers(
    name: str, tmp_path: Path, double: None
) -> None:
    (tmp_path / "users.py").write_text(USERS)
    reference = f"{tmp_path / 'users.py'}:{name}"
    settings = make_settings(optimiser={"weight_decay": 0.1})
    together = train_together(reference, settings=settings)
    alone = train_alone(reference, settings=settings)
    for a, b in zip(together, alone, strict=True):
        assert_close(a, b, 1e-10)
    weights = together[0].best_weights()
    if name == "Tied":  # and stored under all their names
        tied = (weights[f"layers.0.mixer.{which}.weight"] for which in "WV")
        np.testing.assert_array_equal(*tied)
    if name == "Running":
        assert np.abs(weights["layers.0.mixer.mean"]).max() > 0
        # A buffer that is replaced behaves like one that changes in place.
        replacing = train_alone(reference.replace("Running", "Replacing"), settings=settings)
        for a, b in zip(alone, replacing, strict=True):
            assert_close(a, b, 1e-10)
