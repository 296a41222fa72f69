"""The error on sequences longer than in training, without retraining.

The target's memory function continues to lags that training never saw. The scored share of the
sequence stays the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mfbench.evaluation.error import of_each, relative_mse
from mfbench.models.ensemble import Ensemble
from mfbench.models.own_code import ArchitectureError, during
from mfbench.tasks.datasets import Task, channels, new_sequences
from mfbench.tasks.kernels.marks import task_weights
from mfbench.tasks.kernels.memory import continued
from mfbench.tasks.past import past_of


@dataclass(frozen=True)
class LongerTask:
    """A task on longer sequences.

    Attributes
    ----------
    x : (N, factor T, d) float32 tensor
        Inputs of new test sequences.
    y : (N, factor T) float32 tensor
        Their targets.
    kernel : (factor T,) float64 array
        The task's memory function, continued.
    scored_from : int
        First scored step.
    variance : float
        Population variance of the target over the scored steps.
    """

    x: Tensor
    y: Tensor
    kernel: NDArray[np.float64]
    scored_from: int
    variance: float


def longer_task(task: Task, factor: int, *, sequences: int) -> LongerTask:
    """The task on sequences `factor` times as long, with new inputs.

    Every model of a task gets the same inputs.

    Parameters
    ----------
    task : Task
    factor : int
        2 or more.
    sequences : int
        Number of test sequences.
    """
    length = len(task.kernel)
    k = continued(task.family, task.rho, task.kernel, factor * length)
    scored_from = factor * task.scored_from
    x, g = new_sequences(task, factor, count=sequences, length=factor * length)
    y = past_of(x, g, task.marks).response(k).astype(np.float32)
    weights = task_weights(task.marks, factor * length, scored_from)
    return LongerTask(
        x=torch.from_numpy(channels(x, g)),
        y=torch.from_numpy(y),
        kernel=k,
        scored_from=scored_from,
        variance=float(np.sum(weights * k**2)),
    )


def generalisation_error(
    ensemble: Ensemble, tasks: Sequence[LongerTask], *, batch_size: int
) -> tuple[NDArray[np.float64], str]:
    """Relative mean squared error on longer sequences, or why there is none.

    Parameters
    ----------
    ensemble : Ensemble
        M models in evaluation mode.
    tasks : sequence of LongerTask
        The task of each model, all of the same length and scored steps.
    batch_size : int
        Sequences per batch.

    Returns
    -------
    errors : (M,) float64 array
        Infinite if an output is not finite; NaN if there is a reason.
    reason : str
        Why the model does not run at that length: its `maximum_length`, or the error of a single
        model.

    Raises
    ------
    ArchitectureError
        One of several models breaks at that length.
    """
    length, limit = len(tasks[0].kernel), ensemble.model.maximum_length
    if limit is not None and length > limit:
        reason = f"the model runs {limit} steps at most, not {length}"
        return np.full(len(tasks), np.nan), reason
    try:
        with during(f"on sequences of {length} steps"):
            errors = relative_mse(
                ensemble,
                of_each([task.x for task in tasks], ensemble.parameters),
                torch.stack([task.y for task in tasks]),
                scored_from=tasks[0].scored_from,
                batch_size=batch_size,
            )
    except ArchitectureError as error:
        if len(tasks) > 1:  # running each alone shows which one breaks
            raise
        return np.full(1, np.nan), str(error)
    return errors / np.array([task.variance for task in tasks]), ""
