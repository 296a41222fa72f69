"""What jobs ask a cluster for covers what was measured, and grows with what makes them grow."""

from __future__ import annotations

from typing import Any

import pytest

from mfbench.study.study import Study, load_study
from mfbench.workflow.resources import levels_per_job, memory, runtime
from tests.conftest import built_here, small_study

SNAKEMAKE = 340  # MB of the two Snakemakes above a script
NAMES = {"architecture": "model", "width": "16", "kernel": "exponential"}

# (architecture, T, width, layers, batch, training sequences) and MB at the peak of three steps with
# two validations of 256 sequences; x86, torch 2.13, one thread.
TRAINING = [
    ("rnn", 128, 16, 1, 16, 2048, 315),
    ("rnn", 1024, 16, 1, 16, 32768, 814),
    ("gru", 256, 64, 1, 256, 2048, 748),
    ("tcn", 1024, 64, 4, 32, 2048, 1047),
    ("transformer", 1024, 64, 1, 32, 2048, 1316),
    ("s4d", 4096, 16, 1, 16, 4096, 1192),
]


def make_study(
    model: str, T: int, layers: int, batch: int, train: int, *, width: int = 16
) -> dict[str, Any]:
    study = small_study()
    study["task"] = {"length": T, "sequences": {"train": train, "validation": 256, "test": 256}}
    study["architectures"] = {"model": {"model": model, "widths": [width], "layers": layers}}
    study["training"] |= {"batch_size": batch, "device": "cpu"}
    return study


def load(content: dict[str, Any]) -> Study:
    return built_here(load_study(content))


@pytest.mark.parametrize(("model", "T", "width", "layers", "batch", "train", "used"), TRAINING)
def test_memory_covers_what_was_measured(
    model: str, T: int, width: int, layers: int, batch: int, train: int, used: int
) -> None:
    study = load(make_study(model, T, layers, batch, train, width=width))
    asked = memory(study, "training")(NAMES | {"width": str(width)}, 1)
    assert SNAKEMAKE + used < asked < 32_000


@pytest.mark.parametrize(
    "stage", ["dataset", "floors", "baselines", "training", "evaluation", "cube"]
)
def test_requests_grow_with_the_sequences_and_the_attempt(stage: str) -> None:
    small, large = (memory(load(make_study("rnn", T, 1, 16, 4096)), stage) for T in (64, 1024))
    assert small(NAMES, 1) < large(NAMES, 1)
    assert small(NAMES, 3) == 3 * small(NAMES, 1)
    asked = runtime(stage)
    first, second = (asked if isinstance(asked, int) else asked(NAMES, n) for n in (1, 2))
    assert 0 < first <= second <= 1440


def test_a_job_that_would_run_for_hours_is_divided() -> None:
    content = make_study("transformer", 256, 2, 64, 4096, width=64)
    content["training"]["steps"] = 20_000
    assert levels_per_job(load(content))("model", 64, "study") < 4
    content["training"]["device"] = "cuda"
    assert levels_per_job(load(content))("model", 64, "study") >= 4
    content["diagnose"] = {"steps": 10}
    most = levels_per_job(load(content))
    assert most("model", 64, "diagnose") < most("model", 64, "study")
    content["training"]["cells_per_job"] = 3
    assert levels_per_job(load(content))("model", 64, "study") == 3
