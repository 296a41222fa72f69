"""Training of many members at once, as one stacked ensemble: what keeps a GPU busy.

A member of a stack is trained as it is alone, up to rounding: its own initialisation, batches,
learning rate, data, gradient clipping, divergence and checkpoints. Only the operations are shared.
"""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from mfbench.architectures.model import SequenceModel
from mfbench.architectures.stacked import StackedModel, stacked_buffers, stacking_error
from mfbench.training.member import Run, advance
from mfbench.training.optimiser import FlatAdamW
from mfbench.training.progress import Progress
from mfbench.training.steps import Steps

log = logging.getLogger(__name__)


class StackedRun(Steps):
    """Members at work together, all at the same step.

    The vectors of the members' optimisers, their buffers and their losses become rows of the
    stack's: each member sees its own as if it were alone.

    Parameters
    ----------
    runs : sequence of Run
        Members for which `stack_key` is the same.
    """

    def __init__(self, runs: Sequence[Run]) -> None:
        first = runs[0]
        super().__init__(first.data, first.settings)
        self.members = runs
        self.optimiser = FlatAdamW.stack([run.optimiser for run in runs])
        buffers = stacked_buffers([run.model for run in runs])
        self.model = StackedModel(first.model, self.optimiser.leaves, buffers)
        rates, x = [[run.learning_rate] for run in runs], first.data.x
        self.learning_rate = torch.tensor(rates, dtype=x.dtype, device=x.device)
        self._losses = torch.stack([run.progress.losses for run in runs])
        stack = _number(runs)
        for i, run in enumerate(runs):
            run.progress.losses = self._losses[i]
            if len(runs) > run.progress.stack_size:
                run.progress.stack_size, run.progress.stack = len(runs), stack
            for name, buffer in run.model.named_buffers():
                buffer.data = buffers[name][i]
        self._x, self._y = (_Shared([getattr(r.data, name) for r in runs]) for name in ("x", "y"))
        self._x_validation, self._y_validation = (
            _Shared([getattr(r.data, name) for r in runs])
            for name in ("x_validation", "y_validation")
        )

    @property
    def losses(self) -> Tensor:
        return self._losses

    def batch(self, step: int) -> tuple[Tensor, Tensor]:
        rows = np.stack([run.order.rows(step) for run in self.members])
        index = torch.from_numpy(rows).to(self._losses.device)  # (M, B)
        return self._x.rows(index), self._y.rows(index)

    def validation(self, rows: slice) -> tuple[Tensor, Tensor]:
        return self._x_validation.part(rows), self._y_validation.part(rows)

    @property
    def validation_batch(self) -> int:
        """As many sequences as fit into the memory that a training step takes."""
        return max(self.settings.batch_size, super().validation_batch // len(self.members))


class _Shared:
    """A tensor (N, T) of each member; those that are equal are kept once."""

    def __init__(self, tensors: Sequence[Tensor]) -> None:
        distinct: list[Tensor] = []
        known: dict[int, int] = {}  # most members share the very object
        for tensor in tensors:
            if id(tensor) not in known:
                equal = (i for i, other in enumerate(distinct) if torch.equal(other, tensor))
                known[id(tensor)] = next(equal, len(distinct))
                if known[id(tensor)] == len(distinct):
                    distinct.append(tensor)
        self._values = torch.stack(distinct)  # (D, N, T)
        which = [known[id(tensor)] for tensor in tensors]
        self._which = torch.tensor(which, device=self._values.device)  # (M,)

    def rows(self, index: Tensor) -> Tensor:
        """Own rows of each member: (M, B) -> (M, B, T)."""
        return self._values[self._which[:, None], index]

    def part(self, rows: slice) -> Tensor:
        """The same rows of each member, (M, n, T)."""
        return self._values[:, rows][self._which]


def _number(runs: Sequence[Run]) -> int:
    """A number from 1 to 2^31 - 1 that says who trains together: the same for the same members."""
    members = [(r.architecture, r.width, r.learning_rate, r.seed, _task(r)) for r in runs]
    digest = hashlib.blake2b(repr(members).encode(), digest_size=8).digest()
    return int.from_bytes(digest) % (2**31 - 1) + 1


def _task(run: Run) -> tuple[float, float]:
    """What tells the tasks of a study apart: they share the input, not the target."""
    return run.data.variance, float(run.data.y.double().sum())


def stack_key(run: Run) -> tuple[object, ...]:
    """What members of one stack have in common, beside the architecture."""
    data = run.data
    return (
        run.progress.step,
        tuple(data.x.shape),
        tuple(data.x_validation.shape),
        data.x.dtype,
        data.x.device,
        data.scored_from,
        run.settings.model_dump_json(),
    )


def stack_size(
    setting: int | Literal["auto"], *, model: SequenceModel, members: int, device: torch.device
) -> int:
    """Members that are trained at once.

    Parameters
    ----------
    setting : int or "auto"
        ``training.stack``. ``auto`` is one on a CPU, where only small batches gain from more
        (benchmarks/), and on a GPU all members, in equal stacks within the model's `stack_limit`.
    model : SequenceModel
        One of them.
    members : int
        How many there are to train.
    device : torch.device
        Where they train.
    """
    if setting == "auto":
        setting = model.stack_limit if device.type == "cuda" else 1
    stacks = -(-members // setting)
    return -(-members // max(stacks, 1)) or 1


def train_stack(
    runs: Sequence[Run],
    *,
    size: int,
    save: Callable[[int, Progress], None] | None = None,
    clock: Callable[[], float] = time.perf_counter,
) -> list[Progress]:
    """Train members to their end, up to `size` of them at once.

    Members that an earlier job left at different steps go on in different stacks. Where the
    architecture cannot be stacked, one member is trained after the other and a warning says why;
    in their progress, `stack_size` stays 1.

    Parameters
    ----------
    runs : sequence of Run
        Members of one architecture and width; data, learning rates and seeds may differ.
    size : int
        Members at once, at most (`stack_size`).
    save : callable, optional
        Called with the index and the progress of a member, every ``checkpoints.minutes`` of the
        settings and when it is finished.
    clock : callable
        Seconds, monotonic.

    Returns
    -------
    list of Progress
        In the order of the runs, all finished.

    Raises
    ------
    ValueError
        The runs have different architectures or widths.
    """
    if any((run.architecture, run.width) != (runs[0].architecture, runs[0].width) for run in runs):
        raise ValueError("the members of a stack must have the same architecture and width")
    index = {id(run): i for i, run in enumerate(runs)}

    def each(run: Run) -> None:
        if save is not None:
            save(index[id(run)], run.progress)

    if size > 1 and len(runs) > 1 and (reason := unstackable(runs)) is not None:
        log.warning(
            "%s, width %d, cannot be stacked and is trained one member at a time: %s",
            *(runs[0].architecture["model"], runs[0].width, reason),
        )
        size = 1
    for stack in _stacks(runs, size):
        running, saved = stack, None
        while running:
            steps = StackedRun(running) if len(running) > 1 else running[0]
            try:
                saved = advance(steps, save=each, clock=clock, saved=saved)
            except (MemoryError, torch.OutOfMemoryError) as error:
                error.add_note(f"{len(running)} members were stacked: set training.stack lower")
                raise
            for run in running:
                if run.progress.finished:
                    run.snapshot()
                    each(run)
            running = [run for run in running if not run.progress.finished]
    return [run.progress for run in runs]


def unstackable(runs: Sequence[Run]) -> str | None:
    """Why members cannot be trained as a stack; None where they can.

    Tried on two members, with different seeds where there are any, and a few of their inputs.
    """
    first = runs[0]
    other = next((run for run in runs if run.seed != first.seed), runs[-1])
    x = first.data.x
    count = min(2, len(x) // 2) or 1
    return stacking_error([first.model, other.model], torch.stack((x[:count], x[-count:])))


def _stacks(runs: Sequence[Run], size: int) -> Iterator[list[Run]]:
    """The runs by what they have in common, at most `size` together."""
    groups: dict[tuple[object, ...], list[Run]] = {}
    for run in runs:
        if not run.progress.finished:
            groups.setdefault(stack_key(run), []).append(run)
    for group in groups.values():
        for start in range(0, len(group), size):
            yield group[start : start + size]
