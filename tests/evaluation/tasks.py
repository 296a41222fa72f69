"""Tasks in memory and models with a known answer, for the tests of the evaluation."""

from __future__ import annotations

import numpy as np
import torch

from mfbench.evaluation.error import ErrorOnTest, error_of_predictions, predict
from mfbench.models.build import build_model
from mfbench.models.model import SequenceModel
from mfbench.study.task import TaskSettings
from mfbench.tasks.datasets import Task, blocks
from mfbench.tasks.kernels.memory import memory_function, memory_length, window_weights
from tests.conftest import architecture_settings


def make_task(
    length: int = 24,
    *,
    sequences: int = 256,
    family: str = "exponential",
    rho: float = 0.8,
    scored_from: int | None = None,
    distribution: str = "normal",
    seed: int = 0,
    **marks: object,
) -> Task:
    """A task with a test split, as read_dataset() would return it."""
    settings = TaskSettings.model_validate(
        {
            "length": length,
            **({} if scored_from is None else {"scored_from": scored_from}),
            "input": {"distribution": distribution},
            "sequences": {"train": 1, "validation": 1, "test": sequences},
            "seed": seed,
            **marks,
        }
    )
    weights = settings.weights
    k = memory_function(family, rho, length, weights)
    (_, x, y, g), *_ = blocks(settings, "test", k, block=sequences)
    return Task(
        x={"test": x},
        y={"test": y},
        kernel=k,
        weights=weights,
        scored_from=settings.scored_from,
        family=family,
        rho=rho,
        memory_length=memory_length(k, window_weights(length, settings.scored_from)),
        distribution=distribution,
        seed=seed,
        marks=settings.marks,
        g={} if g is None else {"test": g},
    )


def make_model(name: str, *, width: int = 4, length: int = 24, seed: int = 0, **changes):  # type: ignore[no-untyped-def]
    """An untrained model in float64, in evaluation mode."""
    torch.manual_seed(seed)
    settings = architecture_settings(name, **changes)
    return build_model(settings, width=width, length=length).double().eval()


def exponential_model(decay: float, gain: float, length: int) -> SequenceModel:
    """A linear recurrent unit with the impulse response gain * decay^s."""
    model: SequenceModel = make_model(
        "lru", width=1, length=length, activation="none", options={"state": 1}
    )
    mixer = model.mixers()[0]
    with torch.no_grad():
        model.encoder.weight.fill_(1.0)
        model.decoder.weight.fill_(gain)
        for parameter, value in {
            "nu_log": np.log(-np.log(decay)),
            "theta_log": -60.0,
            "gamma_log": 0.0,
            "D": 0.0,
        }.items():
            getattr(mixer, parameter).fill_(value)
        mixer.B.copy_(torch.tensor([[[1.0, 0.0]]]))
        mixer.C.copy_(torch.tensor([[[1.0, 0.0]]]))
    return model


def measure_error(  # type: ignore[no-untyped-def]
    model, x, y, *, scored_from: int, batch_size: int
) -> ErrorOnTest:
    """Relative mean squared error of a model on inputs (N, T, d)."""
    predictions = predict(model, x, scored_from=scored_from, batch_size=batch_size)
    return error_of_predictions(predictions, y, scored_from=scored_from)
