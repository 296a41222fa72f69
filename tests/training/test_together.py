"""Members that train together, compared with a plain loop and with the same members alone."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import ks_2samp

from mfbench.models.registry import registered
from mfbench.training.checkpoints import Checkpoints
from mfbench.training.progress import Progress
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
    *[(name, {}) for name in registered()],
    ("rnn", {"options": {"nonlinearity": "identity"}}),
    ("lstm", {"layers": 2, "norm": "rms", "residual": True}),
    *[
        ("transformer", {"layers": 1, "options": {"positions": p}})
        for p in ("none", "sinusoidal", "learned", "alibi")
    ],
]


@pytest.mark.parametrize("members", [1, 5])
@pytest.mark.parametrize("name", registered())
def test_a_hundred_steps_agree_with_a_plain_loop(name: str, members: int, double: None) -> None:
    settings = make_settings(steps=100, memory_probes=0, optimiser={"weight_decay": 0.1})
    first = make_data()
    data = [first, delayed(first, 1), delayed(first, 5)]
    grid = [(0.01, 0), (0.002, 0), (0.01, 1), (0.005, 2), (0.01, 3)][:members]
    trained = make_members(data=data, grid=grid)
    trainer = Trainer(architecture_settings(name), trained, width=4, settings=settings)
    trainer.train()
    rows = trainer.ensemble.split(trainer.ensemble.parameters)
    for i, member in enumerate(trained):
        losses, parameters = train_plainly(
            architecture_settings(name),
            member.data,
            width=4,
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
    together = train_together(name, **changes)
    for a, b in zip(together, train_alone(name, **changes), strict=True):
        assert a.finished
        assert (a.ensemble_size, b.ensemble_size) == (4, 1)
        assert (a.ensemble > 0, b.ensemble) == (True, 0)
        assert_close(a, b, 1e-10)
    assert len({tuple(p.losses.tolist()) for p in together}) == 4  # four different members


@pytest.mark.parametrize("name", registered())
def test_the_first_hundred_steps_agree_in_single_precision(name: str) -> None:
    settings = make_settings(steps=100, validations=4, memory_probes=0)
    grid = [(0.003, 0), (0.01, 1)]
    together = train_together(name, members=make_members(grid=grid), settings=settings)
    alone = train_alone(name, members=make_members(grid=grid), settings=settings)
    for a, b in zip(together, alone, strict=True):
        np.testing.assert_allclose(a.losses.numpy(), b.losses.numpy(), rtol=1e-4)
        np.testing.assert_allclose(a.validation_error, b.validation_error, rtol=1e-4)


@pytest.mark.parametrize("clipping", [None, 0.1])
def test_settings_of_optimiser_and_schedule_agree_with_a_plain_loop(
    clipping: float | None, double: None
) -> None:
    settings = make_settings(
        optimiser={"weight_decay": 0.3, "ssm_learning_rate_factor": 0.1, "betas": (0.8, 0.9)},
        gradient_clipping=clipping,
        schedule={"name": "constant", "warm_up": 0.2},
    )
    members = make_members()
    for a, member in zip(
        train_together("lru", members=members, settings=settings), members, strict=True
    ):
        losses, _ = train_plainly(
            architecture_settings("lru"),
            member.data,
            width=4,
            learning_rate=member.learning_rate,
            seed=member.seed,
            settings=settings,
        )
        np.testing.assert_allclose(a.losses, losses, rtol=1e-10)


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


def test_all_but_one_may_diverge(double: None) -> None:
    first = make_data()
    bad = dataclasses.replace(first, y=torch.full_like(first.y, float("nan")))
    data = [bad, bad, first, bad]
    together = train_together(members=make_members(data=data))
    assert [p.diverged_step for p in together] == [1, 1, -1, 1]
    for a, b in zip(together, train_alone(members=make_members(data=data)), strict=True):
        assert_close(a, b, 1e-10)


def test_training_ends_once_all_members_have_diverged() -> None:
    first = make_data()
    bad = dataclasses.replace(first, y=torch.full_like(first.y, float("nan")))
    together = train_together(members=make_members(data=[bad]))
    assert [p.step for p in together] == [1] * 4


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
@pytest.mark.parametrize("name", ["gru", "s4d", "transformer"])
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
            checkpoints.save(member.learning_rate, member.seed, "key", member.progress)
        if saves == 12:
            raise KilledError

    with pytest.raises(KilledError):
        train_together(name, members=make_members(data=data), settings=settings, save=save)
    progress = [checkpoints.load(*member, "key") for member in GRID]
    assert all(p is not None for p in progress)
    left = [m for m in make_members(data=data, progress=progress) if not m.finished]
    assert [m.progress.step for m in left if m.progress] == [12] * (3 if diverging else 4)
    resumed = train_together(name, members=left, settings=settings)
    expected = [p for p in whole if p.diverged_step < 0]
    for a, b in zip(resumed, expected, strict=True):
        assert_same(a, b)


def test_an_ensemble_of_the_same_members_is_reproducible() -> None:
    for a, b in zip(train_together("s4d"), train_together("s4d"), strict=True):
        assert_same(a, b)


def test_members_share_the_time_of_their_ensemble() -> None:
    assert [p.seconds for p in train_together()] == [30 / 4] * 4


def test_members_together_and_alone_end_in_the_same_distribution() -> None:
    settings = make_settings(
        steps=60, validations=2, memory_probes=0, schedule={"name": "constant"}
    )

    def errors(seeds: range, how: Any, learning_rate: float = 0.1) -> list[float]:
        members = make_members(data=[make_data()], grid=[(learning_rate, s) for s in seeds])
        done: list[Progress] = how(members=members, settings=settings)
        return [p.validation_error[-1] for p in done]

    alone, together = errors(range(30), train_alone), errors(range(30, 90), train_together)
    assert ks_2samp(alone, together).pvalue > 0.01
    # The test has power: it detects another learning rate.
    assert ks_2samp(alone, errors(range(30, 90), train_together, 0.003)).pvalue < 1e-3


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
    for a, b in zip(together, train_alone(reference, settings=settings), strict=True):
        assert_close(a, b, 1e-10)
    if name == "Running":
        assert together[0].tensors["best.layers.0.mixer.mean"].abs().max() > 0


def test_tied_parameters_are_stored_under_all_their_names(tmp_path: Path) -> None:
    (tmp_path / "users.py").write_text(USERS)
    done = train_together(f"{tmp_path / 'users.py'}:Tied")[0].best_weights()
    np.testing.assert_array_equal(done["layers.0.mixer.W.weight"], done["layers.0.mixer.V.weight"])


def test_a_replaced_buffer_behaves_like_one_that_changes_in_place(
    tmp_path: Path, double: None
) -> None:
    (tmp_path / "users.py").write_text(USERS)
    running, replacing = (
        train_alone(f"{tmp_path / 'users.py'}:{name}") for name in ("Running", "Replacing")
    )
    for a, b in zip(running, replacing, strict=True):
        assert_close(a, b, 1e-10)
