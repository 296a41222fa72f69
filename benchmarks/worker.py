"""Training steps of the tree on PYTHONPATH, to be timed.

As a script it is a process of one tree: a line of JSON asks, a line of JSON answers. It imports
nothing else from benchmarks/ and also knows the trainer of trees before a825135 (`Run`).
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch

from mfbench.training.data import TrainingData

try:
    from mfbench.study.training import TrainingSettings
except ImportError:  # a tree before the package was named study
    from mfbench.config.training import TrainingSettings  # type: ignore[import-not-found,no-redef]

if TYPE_CHECKING:
    from mfbench.training.trainer import Trainer

STEPS = 100_000  # more than any measurement takes
SETTINGS = {"steps": STEPS, "validations": 2}
CPU = torch.device("cpu")


def training_data(
    *, length: int, sequences: int = 4096, lag: int = 1, device: torch.device = CPU
) -> TrainingData:
    """The task of remembering what was `lag` steps ago."""
    x = torch.randn(sequences, length, generator=torch.Generator().manual_seed(0)).to(device)
    y = x.roll(lag, 1)
    # A tree in which the scale of the input was a setting wants its variance.
    scale = {"variance": 1.0} if "variance" in TrainingData.__dataclass_fields__ else {}
    return TrainingData(x, y, x[:128], y[:128], scored_from=length // 2, **scale)


def make_trainer(
    architecture: Mapping[str, Any],
    data: Sequence[TrainingData],
    *,
    members: int,
    width: int,
    settings: TrainingSettings,
) -> Trainer:
    """Members on tasks in turn, each with a seed of its own."""
    from mfbench.training.trainer import Member, Trainer

    together = [Member(data[i % len(data)], 1e-3, seed=i) for i in range(members)]
    return Trainer(architecture, together, width=width, settings=settings)


def advance(trainer: Trainer, count: int, step: Callable[[], None] | None = None) -> None:
    """So many steps as `Trainer.train` takes them, without validations and checkpoints."""
    step = step or trainer._run_step
    end = trainer.step + count
    trainer.validated = [end]  # where `prepare` stops: no more batches are drawn than are used
    while trainer.step < end:
        trainer.prepare()
        while trainer.step < min(end, trainer._until):
            trainer._seed_noise()
            step()
            trainer.step += 1
        trainer._look()


def make_steps(
    architecture: Mapping[str, Any],
    *,
    width: int,
    length: int,
    sequences: int,
    lags: Sequence[int],
    training: Mapping[str, Any],
) -> tuple[Callable[[int], None], int, int]:
    """A job at work: what takes so many steps, members that take them at once, and all members.

    Parameters
    ----------
    architecture : mapping
        Settings for `build_model`.
    width, length, sequences : int
    lags : sequence of int
        One task for each level of the job.
    training : mapping
        Settings; those that this tree does not know are left out.
    """
    known = {k: v for k, v in training.items() if k in TrainingSettings.model_fields}
    settings = TrainingSettings.model_validate({**known, **SETTINGS})
    data = [training_data(length=length, sequences=sequences, lag=lag) for lag in lags]
    members = len(lags) * len(settings.learning_rates) * len(settings.seeds)
    try:
        from mfbench.training.memory import members_at_once, step_bytes
    except ImportError:
        from mfbench.training.member import Run  # type: ignore[import-not-found]

        run = Run(architecture, data[0], width=width, learning_rate=1e-3, seed=0, settings=settings)

        def steps(count: int) -> None:
            for _ in range(count):
                run.step()

        return steps, 1, members
    needed = step_bytes(architecture, data[0], width=width, settings=settings)
    most = members_at_once(bytes_of_a_member=needed, share=None)
    size = -(-members // -(-members // most))  # ensembles are of about equal size
    trainer = make_trainer(architecture, data, members=size, width=width, settings=settings)
    return lambda count: advance(trainer, count), size, members


def main() -> None:
    """Answer until nobody asks any more."""
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    made: dict[str, tuple[Callable[[int], None], int, int]] = {}
    for line in sys.stdin:
        request = json.loads(line)
        name = request.pop("name")
        if "count" in request:
            steps, together, _ = made[name]
            cpu, wall = time.process_time(), time.perf_counter()
            steps(request["count"])
            cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
            done = request["count"] * together  # member-steps
            answer: dict[str, float] = {"cpu": cpu / done, "wall": wall / done}
        else:
            made[name] = make_steps(**request)
            answer = {"together": made[name][1], "members": made[name][2]}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
