"""Take all measurements on trained models, for several models at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from mfbench.evaluation.decomposition import decompose
from mfbench.evaluation.error import error_of_predictions, of_each, predict
from mfbench.evaluation.length_generalisation import LongerTask, generalisation_error, longer_task
from mfbench.evaluation.perturbation import perturbation_error
from mfbench.models.ensemble import Ensemble
from mfbench.study.evaluation import EvaluationSettings
from mfbench.tasks.datasets import Task

_PARTS = {
    "kernel_error": "error of the learned memory function, summed over lag",
    "time_variation": "error from changes of the response over time",
    "squared_bias": "error from the mean prediction, which should be 0",
    "nonlinear_residual": "variance of the part of the predictions that is not linear in the input",
}

# Name: (dimensions besides a member's, long_name). Errors are relative to the target's variance.
MEASURED: dict[str, tuple[tuple[str, ...], str]] = {
    "relative_mse": ((), "relative mean squared error on the test split"),
    "relative_mse_standard_error": ((), "standard error of relative_mse over test sequences"),
    "error_over_time": (("time",), "relative mean squared error at each scored step"),
    "learned_memory_function": (("lag",), "mean linear response of the model over lag"),
    "learned_memory_function_standard_error": (
        ("lag",),
        "standard error of learned_memory_function; 0 for linear models",
    ),
    **{name: ((), f"part of relative_mse: {text}") for name, text in _PARTS.items()},
    **{
        f"{name}_standard_error": ((), f"standard error of {name}; 0 for linear models")
        for name in _PARTS
    },
    "kernel_error_over_lag": (("lag",), "kernel_error at each lag"),
    "half_error_lag": ((), "lag at which half of kernel_error is reached; NaN if that is about 0"),
    "perturbation_error": (
        ("perturbation",),
        "median relative mean squared error after random perturbations of the weights",
    ),
    "generalisation_error": (
        ("length_factor",),
        "relative mean squared error on longer sequences; NaN if the model cannot run that long "
        "(generalisation_message says why)",
    ),
}


@dataclass(frozen=True)
class EvaluationData:
    """The data on which all members of a task are measured.

    Attributes
    ----------
    task : Task
        With its test split.
    x : (N, T, d) tensor
        Inputs of the test split.
    y : (N, T) tensor
        Its targets.
    longer : tuple of LongerTask
        One for each length factor, in order.
    """

    task: Task
    x: Tensor
    y: Tensor
    longer: tuple[LongerTask, ...]

    @classmethod
    def of(cls, task: Task, settings: EvaluationSettings) -> EvaluationData:
        """The data that the settings ask for."""
        return cls(
            task=task,
            x=torch.from_numpy(task.inputs("test")),
            y=torch.from_numpy(task.y["test"]),
            longer=tuple(
                longer_task(task, factor, sequences=settings.length_sequences)
                for factor in settings.length_factors
            ),
        )


def measure(
    ensemble: Ensemble,
    data: Sequence[EvaluationData],
    settings: EvaluationSettings,
    *,
    seeds: Sequence[int],
) -> list[dict[str, Any]]:
    """Measure trained models together, with the same results as one at a time.

    Parameters
    ----------
    ensemble : Ensemble
        M models in evaluation mode.
    data : sequence of EvaluationData
        The data of each model's task, all from one study.
    settings : EvaluationSettings
        The evaluation section of the study.
    seeds : sequence of int
        Each member's seed, for its perturbations.

    Returns
    -------
    list of dict
        For each member, a number or an array per name in `MEASURED`, and the
        `generalisation_message`, which is empty if it runs at all lengths.
    """
    tasks, batch_size = [each.task for each in data], settings.batch_size
    scored_from = tasks[0].scored_from
    perturbed = settings.perturbations.sequences
    x = of_each([each.x for each in data], ensemble.parameters)
    predictions = predict(ensemble, x, scored_from=scored_from, batch_size=batch_size)
    parts = decompose(ensemble, tasks, predictions, probes=settings.probes, batch_size=batch_size)
    perturbation = perturbation_error(
        ensemble,
        x[:, :perturbed],
        torch.stack([each.y[:perturbed] for each in data]),
        relative_norms=settings.perturbations.relative_norms,
        repeats=settings.perturbations.repeats,
        seeds=seeds,
        scored_from=scored_from,
        batch_size=batch_size,
    )
    generalisation = [
        generalisation_error(ensemble, longer, batch_size=batch_size)
        for longer in zip(*(each.longer for each in data), strict=True)
    ]
    measured = []
    for i, found in enumerate(parts):
        test = error_of_predictions(predictions[i], data[i].y, scored_from=scored_from)
        estimates = {name: getattr(found, name) for name in _PARTS}
        measured.append(
            {
                "relative_mse": test.relative_mse,
                "relative_mse_standard_error": test.standard_error,
                "error_over_time": test.over_time,
                "learned_memory_function": found.memory,
                "learned_memory_function_standard_error": found.memory_standard_error,
                **{name: part.value for name, part in estimates.items()},
                **{
                    f"{name}_standard_error": part.standard_error
                    for name, part in estimates.items()
                },
                "kernel_error_over_lag": found.kernel_error_over_lag,
                "half_error_lag": found.half_error_lag,
                "perturbation_error": perturbation[i],
                "generalisation_error": [errors[i] for errors, _ in generalisation],
                "generalisation_message": next((why for _, why in generalisation if why), ""),
            }
        )
    return measured
