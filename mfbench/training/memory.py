"""How many members train together: as many as the memory for one step of theirs allows."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch.autograd.profiler import profile

from mfbench.study.training import TrainingSettings
from mfbench.training.data import TrainingData
from mfbench.training.trainer import Member, Trainer

# Bytes that a step may take on a CPU, and the fewest members that gain by training together there.
# Measured by `python -m benchmarks --parts members` (benchmarks/README.md).
CPU_BYTES = 80_000_000
_FEWEST = 4
# A member among others takes more than alone: vmap makes temporary copies, a GPU keeps the memory
# of a recorded step beside that of validations (tests/training/test_memory.py).
_MARGIN = 1.5


def step_bytes(
    architecture: Mapping[str, Any], data: TrainingData, *, width: int, settings: TrainingSettings
) -> int:
    """Estimate of the memory that a member takes among others: that of one alone, and a margin.

    It depends on the sizes alone. A member is built and takes two steps.

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
    trainer.optimise()  # the first step allocates what libraries keep
    trainer.prepare()
    peak = peak_bytes(trainer.optimise, data.x.device)
    weights = trainer.ensemble.parameters
    # The parameters, the best ones and two moments were there before.
    return int(_MARGIN * (peak + 4 * weights.numel() * weights.element_size()))


def peak_bytes(step: Callable[[], None], device: torch.device) -> int:
    """Largest amount of memory that a step holds at a time beyond what it has found, in bytes."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        step()
        return torch.cuda.max_memory_allocated(device) - before
    with profile(profile_memory=True) as recorded:
        step()
    events = [e for e in recorded.kineto_results.events() if e.name() == "[memory]"]
    changes = [e.nbytes() for e in sorted(events, key=lambda e: e.start_ns())]
    return max(itertools.accumulate(changes), default=0)


def members_at_once(*, bytes_of_a_member: int, share: int | None) -> int:
    """Members that train together under ``ensemble_size: auto``, at most.

    It follows from sizes alone, never from what happens to be free: who trains together does not
    depend on what else runs.

    Parameters
    ----------
    bytes_of_a_member : int
        `step_bytes`.
    share : int or None
        Bytes of a GPU that are this job's; None on a CPU.

    Returns
    -------
    int
        1 or more.
    """
    most = max(1, (CPU_BYTES if share is None else share) // bytes_of_a_member)
    return 1 if share is None and most < _FEWEST else most
