"""How many members train together, and the memory estimate against the memory of a real step."""

from __future__ import annotations

import pytest
import torch

from mfbench.models.registry import registered
from mfbench.training.data import TrainingData
from mfbench.training.memory import CPU_BYTES, members_at_once, peak_bytes, step_bytes
from mfbench.training.trainer import Member, Trainer
from tests.conftest import architecture_settings
from tests.training.conftest import make_settings


def test_the_peak_counts_memory_that_is_held_at_the_same_time() -> None:
    def step() -> None:
        a = torch.zeros(1000)  # 4 kB
        a.view(10, 100).add_(1)  # the same memory
        b = a + 1
        del a
        c = b * 2
        del b, c
        torch.zeros(500)

    # Numbers take a few more bytes.
    assert 8000 <= peak_bytes(step, torch.device("cpu")) < 8100


@pytest.mark.parametrize(("width", "batch", "length"), [(16, 16, 64), (8, 32, 128)])
@pytest.mark.parametrize("name", registered())
def test_the_estimate_covers_the_memory_of_a_step(
    name: str, width: int, batch: int, length: int
) -> None:
    y = torch.randn(2 * batch, length, generator=torch.Generator().manual_seed(0))
    x = y[..., None]
    data = TrainingData(x, y, x[:4], y[:4], scored_from=length // 2)
    settings = make_settings(batch_size=batch, steps=3, validations=1, memory_probes=0)
    architecture = architecture_settings(name)
    members = [Member(data, 0.01, seed) for seed in range(6)]
    trainer = Trainer(architecture, members, width=width, settings=settings)
    trainer.prepare()
    peak = peak_bytes(trainer.optimise, torch.device("cpu"))
    peak += 4 * trainer.ensemble.parameters.nbytes
    estimate = 6 * step_bytes(architecture, data, width=width, settings=settings)
    assert peak < estimate < 2 * peak


def test_the_estimate_does_not_change_the_generator() -> None:
    y = torch.randn(16, 8, generator=torch.Generator().manual_seed(0))
    x = y[..., None]
    data = TrainingData(x, y, x, y, scored_from=4)
    before = torch.get_rng_state()
    step_bytes(architecture_settings("rnn"), data, width=4, settings=make_settings())
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(
    ("size", "share", "expected"),
    [
        (CPU_BYTES // 12, None, 12),
        (CPU_BYTES // 4, None, 4),
        (CPU_BYTES // 3, None, 1),  # three gain nothing from training together
        (2 * CPU_BYTES, None, 1),
        (10**6, 10 * 10**9, 5000),  # 2 GB for libraries, and 1.6 bytes for each
        (10**9, 10 * 10**9, 5),
        (10**9, 10**8, 1),  # at least one
    ],
)
def test_how_many_members_train_together(size: int, share: int | None, expected: int) -> None:
    assert members_at_once(bytes_of_a_member=size, share=share) == expected
