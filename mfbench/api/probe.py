"""Measure what a module remembers, whoever trained it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr
from torch import nn

from mfbench.api.keywords import keywords_checked
from mfbench.api.models import as_model
from mfbench.api.sections import checked
from mfbench.api.tasks import Task, check_task
from mfbench.api.training import Training
from mfbench.evaluation.capacity import CAPACITY, OF_MARKED_TASKS, memory_capacity
from mfbench.evaluation.member import MEASURED, EvaluationData, measure
from mfbench.models.ensemble import Ensemble
from mfbench.models.judging import check_measurable
from mfbench.study.evaluation import EvaluationSettings


@keywords_checked
def probe(
    module: nn.Module | Training,
    task: Task,
    *,
    probes: int = 256,
    length_factors: int | Sequence[int] = (2, 4),
    batch_size: int = 256,
    seed: int = 0,
) -> xr.Dataset:
    """Measure a module on a task: its error, the parts of it, and the memory function it learned.

    The measurements are those of a study (docs/theory.md). The module stays as it is.

    Parameters
    ----------
    module : Module or Training
        Any causal module (B, T, 1) -> (B, T, 1), or (B, T, 2) -> (B, T, 1) for a marked task, or
        the result of `train`, of which the best module counts. It is measured in evaluation mode,
        on its device.
    task : Task
        Its test split is used.
    probes : int
        Number of Jacobians that are averaged for a first estimate of the memory function.
    length_factors : int or sequence
        Lengths to test generalisation on, as multiples of T.
    batch_size : int
        Sequences per batch; does not change results.
    seed : int
        Seed of the perturbations of the weights.

    Returns
    -------
    Dataset
        The variables of a cube, for one model: ``relative_mse``, ``learned_memory_function`` and
        the target's ``memory_function`` over lag, the parts of the error (``kernel_error``,
        ``time_variation``, ``squared_bias``, ``nonlinear_residual``), each with its
        ``_standard_error``, ``generalisation_error`` over length_factor, and others. Errors are
        relative to predicting zero. ``memory_capacity`` over lag is the share of the variance of
        x_{t-s} that the best linear readout of the state explains, ``total_memory_capacity`` its
        sum, ``readout_error`` the error of the best linear readout for the target, and
        ``marked_memory_capacity`` the same as ``memory_capacity`` for the inputs that the target of
        a marked task remembers. All are NaN for a module without a step form (docs/models.md), and
        the attribute ``capacity_message`` says so.

    Raises
    ------
    TypeError
        The task is not a Task, or the module is none.
    ValueError
        The module has the wrong shape, is not causal, mixes sequences or is random in evaluation
        mode, or its code fails.

    Examples
    --------
    >>> import mfbench as mf
    >>> import torch
    >>> task = mf.Task("exponential", memory_length=4, length=16)
    >>> found = mf.probe(torch.nn.Linear(1, 1), task)  # sees lag 0 alone
    >>> bool(abs(found.learned_memory_function[1:]).max() < 1e-6)
    True
    """
    check_task(task)
    module = _module(module)
    settings = checked(
        EvaluationSettings,
        {
            "probes": probes,
            "batch_size": batch_size,
            "length_factors": np.atleast_1d(length_factors).tolist(),
        },
    )
    model = as_model(module, d_in=task.settings.channels)
    if not any(parameter.requires_grad for parameter in model.parameters()):
        model.requires_grad_(True)  # of the copy: perturbations change what is trained
    check_measurable(model, length=task.length)
    data = EvaluationData.of(task.data, settings)
    (found,) = measure(Ensemble([model]), [data], settings, seeds=[seed])
    message = found.pop("generalisation_message")
    capacity = memory_capacity(model, task.data)
    found |= capacity.named(marked=task.data.marks is not None)
    values = {
        name: (dims, np.asarray(found[name]), {"long_name": text, "units": "1"})
        for name, (dims, text) in (MEASURED | CAPACITY | OF_MARKED_TASKS).items()
        if name in found
    }
    return xr.Dataset(
        {
            **values,
            "memory_function": ("lag", task.memory_function, {"long_name": "of the target"}),
            "weights": ("lag", task.weights, {"long_name": "share of scored steps that see a lag"}),
        },
        coords={
            "lag": np.arange(task.length),
            "time": np.arange(task.data.scored_from, task.length),
            "perturbation": list(settings.perturbations.relative_norms),
            "length_factor": list(settings.length_factors),
        },
        attrs={
            "task": repr(task),
            "generalisation_message": message,
            "capacity_message": capacity.message,
        },
    )


def _module(given: nn.Module | Training) -> nn.Module:
    """The module to measure; a name or a class is not trained, so there is nothing to measure."""
    if isinstance(given, Training):
        return given.module
    if isinstance(given, nn.Module):
        return given
    named = repr(given) if isinstance(given, str) else getattr(given, "__name__", repr(given))
    raise TypeError(
        f"probe measures a module, not {named}: give mf.train({named}, task), or mf.build({named}) "
        "for an untrained one"
    )
