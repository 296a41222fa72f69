"""Decide how many members train together, from the memory that a step takes."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch.autograd.profiler import profile

from mfbench.study.training import TrainingSettings
from mfbench.training.data import TrainingData
from mfbench.training.trainer import Member, Trainer

# Bytes that a step may take on a CPU, and the fewest members that gain from training together
# there. Measured with `python -m benchmarks --parts members` (benchmarks/README.md).
CPU_BYTES = 80_000_000
_FEWEST = 4
# In an ensemble, a member takes more memory than alone: vmap makes temporary copies.
_MARGIN = 1.5
# What torch reserves on a GPU: this many bytes for each estimated one, because a recorded step and
# validations have memory of their own, and some for its libraries (benchmarks/README.md).
_RESERVED = 1.6
_LIBRARIES = 2_000_000_000


def step_bytes(
    architecture: Mapping[str, Any], data: TrainingData, *, width: int, settings: TrainingSettings
) -> int:
    """Estimate the memory of a member in an ensemble: what it takes alone, times a margin.

    Builds a member and takes two steps. The result depends only on sizes.

    Parameters
    ----------
    architecture : mapping
        Settings for `build_model`.
    data : TrainingData
        A task, on the device to train on.
    width : int
        Number of channels.
    settings : TrainingSettings
        The training section of the study.

    Returns
    -------
    int
        Bytes at the peak of a step, with parameters and state of the optimiser.
    """
    member = Member(data, learning_rate=0.0, seed=0)
    trainer = Trainer(architecture, [member], width=width, settings=settings)
    trainer.prepare()
    trainer.optimise()  # in the first step, libraries allocate their workspaces
    trainer.prepare()
    peak = peak_bytes(trainer.optimise, data.x.device)
    weights = trainer.ensemble.parameters
    # Parameters, best parameters and two moments were allocated before the step.
    return int(_MARGIN * (peak + 4 * weights.numel() * weights.element_size()))


def peak_bytes(step: Callable[[], None], device: torch.device) -> int:
    """Peak of the memory that a step allocates, in bytes."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        step()
        return torch.cuda.max_memory_allocated(device) - before
    os.environ.setdefault("KINETO_LOG_LEVEL", "6")  # the profiler would write to stderr
    with profile(profile_memory=True) as recorded:
        step()
    events = [e for e in recorded.kineto_results.events() if e.name() == "[memory]"]
    changes = [e.nbytes() for e in sorted(events, key=lambda e: e.start_ns())]
    return max(itertools.accumulate(changes), default=0)


def reserved_bytes(estimate: float) -> float:
    """Bytes that torch reserves on a GPU, at most, for members with an estimate of `step_bytes`."""
    return _RESERVED * estimate + _LIBRARIES


def members_at_once(*, bytes_of_a_member: int, share: int | None) -> int:
    """Largest number of members that train together with ``ensemble_size: auto``.

    It depends only on sizes and not on free memory, so other jobs do not change which members
    train together.

    Parameters
    ----------
    bytes_of_a_member : int
        The result of `step_bytes`.
    share : int or None
        Bytes of GPU memory that this job may use; None on a CPU.

    Returns
    -------
    int
        1 or more.
    """
    if share is not None:
        return max(1, int((share - _LIBRARIES) / (_RESERVED * bytes_of_a_member)))
    most = max(1, CPU_BYTES // bytes_of_a_member)
    return most if most >= _FEWEST else 1
