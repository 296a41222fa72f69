"""Time a few steps of each model of a study; a process of its own, because this imports torch.

Prints a line of JSON for each measurement as soon as it is there, so that it can be ended early.
"""

from __future__ import annotations

import functools
import json
import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from mfbench.evaluation.member import EvaluationData, measure
from mfbench.models.ensemble import Ensemble
from mfbench.models.own_code import ArchitectureError
from mfbench.study.study import Study, read_study
from mfbench.tasks.datasets import Task, read_dataset, write_dataset
from mfbench.training.cells import train_cells
from mfbench.training.data import TrainingData
from mfbench.training.device import choose_device, memory_share, prepare_process
from mfbench.training.run import Run
from mfbench.training.trainer import Member, Trainer, initial_model

_MEMBERS = 32  # trained together, at most
_STEPS = 200
_SEQUENCES = 256  # to train on


def main(file: str, seconds: float, groups: list[tuple[str, int, int]]) -> None:
    """Measure (architecture, width, members in a job) of a study, in about so many seconds."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # keep what models print out of the answers
    prepare_process(threads=1)
    study = read_study(file)
    device = choose_device(study.training.device)
    task = _task(study)
    timing = _Timing(
        study,
        TrainingData.of(task, device=device),
        EvaluationData.of(task, study.evaluation),
        # On a CPU, count this process's own time, which other processes do not distort.
        time.process_time if device.type == "cpu" else time.perf_counter,
    )
    ends = timing.clock() + 0.7 * seconds
    for i, (architecture, width, members) in enumerate(groups):
        share = (ends - timing.clock()) / (len(groups) - i)
        found = timing.training(architecture, width, members=members, seconds=share)
        _say(answers, architecture=architecture, width=width, **found)
    for architecture, width, _ in groups:
        _say(
            answers,
            architecture=architecture,
            width=width,
            **timing.evaluation(architecture, width),
        )


def _say(answers: TextIO, **found: Any) -> None:
    unit = 1e6 if sys.platform == "darwin" else 1e3
    rss = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit
    answers.write(json.dumps(found | {"mb": rss}) + "\n")
    answers.flush()


def _task(study: Study) -> Task:
    """A task of the study with fewer sequences to train on."""
    kernel, settings = next(iter(study.kernels.items()))
    sequences = study.task.sequences
    few = sequences.model_copy(update={"train": min(_SEQUENCES, sequences.train)})
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "task.nc")
        write_dataset(
            path,
            settings=study.task.model_copy(update={"sequences": few}),
            family=settings.reference,
            rho=study.levels(kernel)[0].rho,
            kernel=kernel,
        )
        return read_dataset(path)


@dataclass(frozen=True)
class _Timing:
    """What all measurements share."""

    study: Study
    data: TrainingData
    measured: EvaluationData
    clock: Callable[[], float]

    def training(
        self, architecture: str, width: int, *, members: int, seconds: float
    ) -> dict[str, float]:
        """Seconds of a job beside its training, and of a step and a validation of a member."""
        study, data, clock = self.study, self.data, self.clock
        settings = study.training_of(architecture)
        # 2 validations, at the first and at the last step.
        settings = settings.model_copy(
            update={
                "steps": [2],
                "validations": 2,
                "batch_size": min(settings.batch_size, len(data.x)),
            }
        )
        model = study.models[architecture].settings
        runs = [Run(2, settings.learning_rates[0], seed) for seed in range(min(members, _MEMBERS))]
        start = clock()
        with tempfile.TemporaryDirectory() as folder:
            trained = train_cells(
                model,
                {1.0: data},
                width=width,
                settings=settings,
                code="",
                checkpoints={1.0: folder},
                runs={1.0: runs},
                share=memory_share(data.x.device, settings.jobs_per_gpu),
            )
        cell = trained.cells[1.0]
        if cell.message:
            return {}
        whole = clock() - start
        together = next(iter(cell.members.values())).ensemble_size

        def train(steps: int) -> float:
            one = [Member(data, settings.learning_rates[0], seed) for seed in range(together)]
            trainer = Trainer(model, one, width=width, settings=settings, steps=steps)
            return self._seconds(trainer.train) / together

        few = train(2)
        affordable = (start + seconds - clock()) / (together * few)
        steps = 2 + int(min(_STEPS, max(4, affordable)))
        step = max(1e-9, (train(steps) - few) / (steps - 2))
        return {
            "job": max(0.0, whole - few * len(runs)),
            "step": step,
            "validation": max(0.0, (few - 2 * step) / 2),
            "parameters": trained.parameters or 0,
        }

    def evaluation(self, architecture: str, width: int) -> dict[str, float]:
        """Seconds of the evaluation of a member."""
        settings = self.study.models[architecture].settings
        data = self.data
        model = initial_model(settings, width=width, length=data.length, seed=0, d_in=data.channels)
        ensemble = Ensemble([model.eval().to(self.data.x.device)])
        ensemble.freeze()
        work = functools.partial(
            measure, ensemble, [self.measured], self.study.evaluation, seeds=[0]
        )
        with suppress(ArchitectureError):
            return {"evaluation": self._seconds(work)}
        return {}

    def _seconds(self, work: Callable[[], object]) -> float:
        start = self.clock()
        work()
        return self.clock() - start


if __name__ == "__main__":
    main(**json.loads(sys.argv[1]))
