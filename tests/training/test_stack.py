"""Members trained as a stack against the same members trained one by one."""

from __future__ import annotations

import copy
import dataclasses
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import ks_2samp

from mfbench.architectures.registry import registered
from mfbench.config.training import TrainingSettings
from mfbench.training.checkpoints import Checkpoints
from mfbench.training.data import TrainingData
from mfbench.training.member import Run, initial_model, train_member
from mfbench.training.progress import Progress
from mfbench.training.stack import StackedRun, stack_size, train_stack
from tests.conftest import architecture_settings
from tests.training.conftest import make_data, make_settings
from tests.training.test_member import assert_same

GRID = [(0.01, 0), (0.03, 0), (0.01, 1), (0.03, 2)]  # learning rates and seeds
VARIANTS: list[tuple[str, dict[str, Any]]] = [
    *[(name, {}) for name in registered()],
    ("rnn", {"options": {"nonlinearity": "identity"}}),
    ("lstm", {"layers": 2, "norm": "rms", "residual": True}),
    *[
        ("transformer", {"layers": 1, "options": {"positions": p}})
        for p in ("none", "sinusoidal", "learned", "alibi")
    ],
]


@pytest.fixture
def double():
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def delayed(data: TrainingData, lag: int) -> TrainingData:
    """Another cell of the study: the same inputs, another memory."""
    y, y_validation = torch.zeros_like(data.y), torch.zeros_like(data.y_validation)
    y[:, lag:], y_validation[:, lag:] = 2 * data.x[:, :-lag], 2 * data.x_validation[:, :-lag]
    return dataclasses.replace(data, y=y, y_validation=y_validation, variance=4.0)


def make_runs(
    name: str = "rnn",
    *,
    data: list[TrainingData] | None = None,
    grid: list[tuple[float, int]] = GRID,
    settings: TrainingSettings | None = None,
    progress: list[Progress | None] | None = None,
    **changes: Any,
) -> list[Run]:
    first = make_data()
    data = data or [first, delayed(first, 1), delayed(first, 3), first]
    return [
        Run(
            architecture_settings(name, **copy.deepcopy(changes)),
            data[i % len(data)],
            width=4,
            learning_rate=learning_rate,
            seed=seed,
            settings=settings or make_settings(),
            progress=None if progress is None else progress[i],
        )
        for i, (learning_rate, seed) in enumerate(grid)
    ]


def train_alone(name: str = "rnn", **options: Any) -> list[Progress]:
    return [train_member(run) for run in make_runs(name, **options)]


def assert_close(together: Progress, alone: Progress, rtol: float) -> None:
    """Everything that training leaves behind, equal up to rounding."""

    def close(a: Any, b: Any) -> None:
        a, b = np.asarray(a, dtype=float), np.asarray(b, dtype=float)
        size = np.nanmax(np.abs(b), initial=0.0)  # relative to the largest of its kind
        np.testing.assert_allclose(a, b, rtol=rtol, atol=rtol * size)

    assert (together.step, together.best_step, together.diverged_step) == (
        alone.step,
        alone.best_step,
        alone.diverged_step,
    )
    close(together.losses, alone.losses)
    close(together.train_error, alone.train_error)
    close(together.validation_error, alone.validation_error)
    close(together.memory, alone.memory)
    assert set(together.tensors) == set(alone.tensors)
    for key, tensor in together.tensors.items():
        close(tensor, alone.tensors[key])


@pytest.mark.parametrize(("name", "changes"), VARIANTS)
def test_stacked_and_single_training_agree(
    name: str, changes: dict[str, Any], double: None, caplog: pytest.LogCaptureFixture
) -> None:
    together = train_stack(make_runs(name, **changes), size=4)
    alone = train_alone(name, **changes)
    for a, b in zip(together, alone, strict=True):
        assert a.finished
        assert (a.stack_size, b.stack_size) == (4, 1)
        assert (a.stack > 0, b.stack) == (True, 0)
        assert_close(a, b, 1e-10)
    assert "cannot be stacked" not in caplog.text
    assert len({tuple(p.losses.tolist()) for p in together}) == 4  # members of their own


@pytest.mark.parametrize("name", registered())
def test_the_first_hundred_steps_agree_in_single_precision(name: str) -> None:
    settings = make_settings(steps=100, validations=4, memory_probes=0)
    grid = [(0.003, 0), (0.01, 1)]
    together = train_stack(make_runs(name, grid=grid, settings=settings), size=2)
    for a, b in zip(together, train_alone(name, grid=grid, settings=settings), strict=True):
        np.testing.assert_allclose(a.losses.numpy(), b.losses.numpy(), rtol=1e-4)
        np.testing.assert_allclose(a.validation_error, b.validation_error, rtol=1e-4)


def test_weights_of_the_loss_and_of_the_optimiser_are_those_of_single_training(
    double: None,
) -> None:
    settings = make_settings(
        loss={"time_power": 2.0},
        optimiser={"weight_decay": 0.3, "ssm_learning_rate_factor": 0.1, "betas": (0.8, 0.9)},
        gradient_clipping=None,
        schedule={"name": "constant", "warm_up": 0.2},
    )
    together = train_stack(make_runs("lru", settings=settings), size=4)
    for a, b in zip(together, train_alone("lru", settings=settings), strict=True):
        assert_close(a, b, 1e-10)


def test_inputs_may_differ_too(double: None) -> None:
    first = make_data()
    other = make_data(0.5)
    data = [first, dataclasses.replace(other, x=other.x.flip(0), x_validation=other.x_validation)]
    together = train_stack(make_runs(data=data), size=4)
    for a, b in zip(together, train_alone(data=data), strict=True):
        assert_close(a, b, 1e-10)


def test_each_gradient_is_clipped_on_its_own(double: None) -> None:
    first = make_data()
    huge = dataclasses.replace(first, y=1e6 * first.y)
    runs = make_runs(
        data=[first, huge, first, first], settings=make_settings(gradient_clipping=0.1)
    )
    alone = make_runs(data=[first, huge, first, first])
    stack = StackedRun(runs)
    stack.step()
    for run, one in zip(runs, alone, strict=True):
        x, y = one.batch(0)
        (one.model(x[..., None])[..., 0] - y)[:, 8:].square().mean().backward()
        before = torch.nn.utils.clip_grad_norm_(one.model.parameters(), 0.1)
        assert before > 0.1
        want = torch.cat([p.grad.reshape(-1) for p in one.model.parameters()])
        torch.testing.assert_close(run.optimiser.gradient, want, rtol=1e-9, atol=1e-12)
        assert run.optimiser.gradient.norm() == pytest.approx(0.1, rel=1e-5)
    assert stack.optimiser.gradient.shape == (4, len(want))


def test_a_huge_gradient_of_one_member_moves_no_other() -> None:
    first = make_data()
    settings = make_settings(gradient_clipping=0.1)
    with_huge, without = (
        train_stack(make_runs(data=[first, other, first, first], settings=settings), size=4)
        for other in (dataclasses.replace(first, y=1e6 * first.y), first)
    )
    for i in (0, 2, 3):
        assert_same(with_huge[i], without[i])
    assert not torch.equal(with_huge[1].losses, without[1].losses)


def test_a_member_that_diverges_leaves_the_stack_and_the_others_alone(double: None) -> None:
    first = make_data()
    poisoned = dataclasses.replace(first, y=first.y.clone())
    poisoned.y[int(make_runs(grid=[GRID[1]])[0].order.rows(2)[0])] = float("nan")
    data = [first, poisoned, delayed(first, 1), first]
    kept: list[tuple[int, int]] = []
    runs = make_runs(data=data)
    together = train_stack(runs, size=4, save=lambda i, p: kept.append((i, p.step)))
    alone = train_alone(data=data)
    assert alone[1].diverged_step == 3
    for a, b in zip(together, alone, strict=True):
        assert_close(a, b, 1e-10)
    # It was saved when it left, the others when they were done.
    assert kept == [(1, 4), (0, 30), (2, 30), (3, 30)]  # noted at the next validated step
    assert [p.stack_size for p in together] == [4] * 4
    assert len({p.stack for p in together}) == 1


def test_all_but_one_may_diverge(double: None) -> None:
    first = make_data()
    bad = dataclasses.replace(first, y=torch.full_like(first.y, float("nan")))
    together = train_stack(make_runs(data=[bad, bad, first, bad]), size=4)
    alone = train_alone(data=[bad, bad, first, bad])
    assert [p.diverged_step for p in together] == [1, 1, -1, 1]
    for a, b in zip(together, alone, strict=True):
        assert_close(a, b, 1e-10)


def test_an_error_above_the_threshold_is_a_divergence_in_a_stack(double: None) -> None:
    settings = make_settings(diverged_above=1.2)
    first = make_data()
    far = dataclasses.replace(first, y_validation=5 * first.y_validation)
    together = train_stack(make_runs(data=[first, far], settings=settings), size=4)
    assert [p.diverged_step for p in together] == [-1, 1, -1, 1]
    for a, b in zip(together, train_alone(data=[first, far], settings=settings), strict=True):
        assert_close(a, b, 1e-10)


class KilledError(Exception):
    pass


@pytest.mark.parametrize("saves", [48, 49])  # between two checkpoints; in the middle of one
@pytest.mark.parametrize("size", [4, 1])
def test_a_killed_stack_goes_on_stacked_or_alone(
    saves: int, size: int, tmp_path: Path, double: None
) -> None:
    settings = make_settings(checkpoints={"minutes": 0})
    whole = train_stack(make_runs("gru", settings=settings), size=4)
    checkpoints, done = Checkpoints(tmp_path), 0

    def save(i: int, progress: Progress) -> None:
        nonlocal done
        if done == saves:
            raise KilledError
        done += 1
        checkpoints.save(*GRID[i], "key", progress)

    with pytest.raises(KilledError):
        train_stack(make_runs("gru", settings=settings), size=4, save=save)
    progress = [checkpoints.load(*member, "key") for member in GRID]
    assert [p.step for p in progress] == ([12] * 4 if saves == 48 else [13, 12, 12, 12])
    assert all(p.stack_size == 4 for p in progress)
    resumed = train_stack(make_runs("gru", settings=settings, progress=progress), size=size)
    for a, b in zip(resumed, whole, strict=True):
        assert_close(a, b, 1e-10)
        if (saves, size) == (48, 4):
            assert_same(a, b)  # the same stack: the same numbers
    assert all(p.stack_size == 4 for p in resumed)


def test_a_stack_of_a_given_composition_is_reproducible() -> None:
    for a, b in zip(*(train_stack(make_runs("s4d"), size=4) for _ in range(2)), strict=True):
        assert_same(a, b)


def test_members_go_in_stacks_of_the_size_that_is_asked_for() -> None:
    sizes = [p.stack_size for p in train_stack(make_runs(grid=[*GRID, (0.1, 3)]), size=2)]
    assert sizes == [2, 2, 2, 2, 1]
    settings = make_settings(memory_probes=0)
    runs = make_runs() + make_runs(settings=settings)
    assert [p.stack_size for p in train_stack(runs, size=8)] == [4] * 8


def test_time_is_shared_and_checkpoints_come_at_the_interval_that_is_set() -> None:
    ticks = iter(range(10_000))
    kept: list[tuple[int, int]] = []
    runs = make_runs(settings=make_settings(checkpoints={"minutes": 0.1}))  # 6 s, a step takes 1 s
    done = train_stack(
        runs,
        size=4,
        clock=lambda: next(ticks),
        save=lambda i, progress: kept.append((progress.step, i)),
    )
    assert [p.seconds for p in done] == [30 / 4] * 4
    times = [6, 12, 18, 24, 30]
    assert kept == [(step, i) for step in [*times, 30] for i in range(4)]


def test_stacked_and_single_training_end_in_the_same_distribution() -> None:
    settings = make_settings(
        steps=60, validations=2, memory_probes=0, schedule={"name": "constant"}
    )

    def errors(seeds: range, stacked: bool, learning_rate: float = 0.1) -> list[float]:
        options = {"grid": [(learning_rate, s) for s in seeds], "settings": settings}
        data = [make_data()]
        if stacked:
            done = train_stack(make_runs(data=data, **options), size=len(seeds))
        else:
            done = train_alone(data=data, **options)
        return [p.validation_error[-1] for p in done]

    alone, together = errors(range(30), False), errors(range(30, 90), True)
    assert ks_2samp(alone, together).pvalue > 0.01
    # The test can tell: another learning rate is seen.
    assert ks_2samp(alone, errors(range(30, 90), True, 0.003)).pvalue < 1e-3


USERS = """
import torch
from torch import nn
from mfbench.architectures.mixer import Mixer


class Base(Mixer):
    def __init__(self, width, layer, length):
        super().__init__()
        self.W = nn.Linear(width, width)


class Item(Base):
    def forward(self, u):
        return self.W(u) * (1 + self.W.weight.sum().item())


class Dropped(Base):
    def forward(self, u):
        return nn.functional.dropout(self.W(u), 0.5, self.training)


class Partly(Base):
    def __init__(self, width, layer, length):
        super().__init__(width, layer, length)
        self.V = nn.Linear(width, width)
        self.V.weight.requires_grad_(False)
        self.unused = nn.Parameter(torch.ones(3))

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
"""


@pytest.mark.parametrize(("name", "why"), [("Item", ".item()"), ("Dropped", "random operation")])
def test_what_cannot_be_stacked_is_trained_one_by_one_and_says_so(
    name: str, why: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    (tmp_path / "users.py").write_text(USERS)
    name = f"{tmp_path / 'users.py'}:{name}"
    together = train_stack(make_runs(name), size=4)
    (record,) = caplog.records
    assert "cannot be stacked and is trained one member at a time" in record.getMessage()
    assert why in record.getMessage()
    for a, b in zip(together, train_alone(name), strict=True):
        assert a.stack_size == 1
        assert_same(a, b)


def test_a_stack_that_runs_out_of_memory_says_how_large_it_was(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def step(self: StackedRun) -> None:
        raise torch.OutOfMemoryError("no more")

    monkeypatch.setattr(StackedRun, "step", step)
    with pytest.raises(torch.OutOfMemoryError, match="no more") as caught:
        train_stack(make_runs(), size=4)
    assert caught.value.__notes__ == ["4 members were stacked: set training.stack lower"]


def test_buffers_belong_to_their_members(tmp_path: Path, double: None) -> None:
    (tmp_path / "users.py").write_text(USERS)
    name = f"{tmp_path / 'users.py'}:Running"
    together = train_stack(make_runs(name), size=4)
    alone = train_alone(name)
    for a, b in zip(together, alone, strict=True):
        assert a.stack_size == 4
        assert_close(a, b, 1e-10)
        assert a.tensors["buffer.layers.0.mixer.mean"].abs().max() > 0


def test_frozen_and_unused_parameters_are_treated_as_in_single_training(
    tmp_path: Path, double: None
) -> None:
    (tmp_path / "users.py").write_text(USERS)
    name = f"{tmp_path / 'users.py'}:Partly"
    settings = make_settings(optimiser={"weight_decay": 0.1})
    together = train_stack(make_runs(name, settings=settings), size=4)
    for a, b in zip(together, train_alone(name, settings=settings), strict=True):
        assert a.stack_size == 4
        assert_close(a, b, 1e-10)


def test_a_stack_has_one_architecture() -> None:
    with pytest.raises(ValueError, match="the same architecture and width"):
        train_stack(make_runs("rnn") + make_runs("gru"), size=8)


@pytest.mark.parametrize(
    ("setting", "name", "members", "device", "expected"),
    [
        ("auto", "rnn", 12, "cpu", 1),
        ("auto", "rnn", 12, "cuda", 12),
        ("auto", "gru", 150, "cuda", 75),  # at most 128: two equal stacks
        ("auto", "tcn", 12, "cuda", 12),
        ("auto", "transformer", 40, "cuda", 14),  # at most 16: 14, 14 and 12
        (5, "rnn", 12, "cpu", 4),  # three equal ones rather than 5, 5, 2
        (5, "rnn", 3, "cuda", 3),
        (1, "rnn", 3, "cuda", 1),
        ("auto", "rnn", 0, "cuda", 1),
    ],
)
def test_the_size_of_a_stack(
    setting: Any, name: str, members: int, device: str, expected: int
) -> None:
    model = initial_model(architecture_settings(name), width=4, length=8, seed=0)
    size = stack_size(setting, model=model, members=members, device=torch.device(device))
    assert size == expected


def test_nothing_to_train_is_nothing_done() -> None:
    assert train_stack([], size=4) == []
