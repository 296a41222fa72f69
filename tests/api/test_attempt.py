"""`attempt`: a study of a few members, in one call."""

from __future__ import annotations

import inspect

import numpy as np
import pytest

from mfbench.api.attempt import attempt
from mfbench.api.tasks import Task
from mfbench.api.training import train
from mfbench.commands import try_

TASK = Task("impulse", rho=3, length=16, sequences=64)


def test_it_trains_and_measures_as_train_does() -> None:
    shares: list[float] = []
    tried = attempt(
        "lru",
        TASK,
        options={"state": 2},
        width=4,
        steps=30,
        device="cpu",
        report=lambda done, total: shares.append(done / total),
    )
    trained = train(
        "lru",
        TASK,
        options={"state": 2},
        width=4,
        steps=30,
        device="cpu",
        learning_rates=[0.01, 0.03],
        training={"batch_size": 32},
    )
    cell = tried.cube.isel(architecture=0, width=0, kernel=0, level=0)
    for name in ("relative_mse", "validation_error"):
        np.testing.assert_allclose(cell[name], trained.runs[name], rtol=1e-5)
    assert shares == sorted(shares)
    assert shares[-1] == 1
    assert not tried.interrupted
    # Four states hold an impulse at lag 3, so only training is at fault.
    assert cell.cause.item() == "not diagnosed"
    assert "the best learning rate lies at the upper edge" in cell.cause_evidence.item()


def test_defaults_are_those_of_train_and_of_the_command() -> None:
    command = inspect.signature(try_.run).parameters
    for function in (attempt, train):
        own = inspect.signature(function).parameters
        for name in ("steps", "seeds", "width"):
            assert own[name].default == command[name].default
        rates = [float(rate) for rate in command["learning_rates"].default.split(",")]
        assert list(own["learning_rates"].default) == rates


def test_an_interrupted_attempt_has_the_steps_that_were_taken() -> None:
    def stop(done: int, total: int) -> None:
        if done > total / 2:
            raise KeyboardInterrupt

    settings = {"width": 4, "steps": 400, "seeds": 1, "device": "cpu", "report": stop}
    tried = attempt("rnn", TASK, learning_rates=[0.01], partial=True, **settings)
    assert tried.interrupted
    assert 1 < tried.cube.step.max() < 400
    assert tried.cube.relative_mse.notnull().all()
    with pytest.raises(KeyboardInterrupt):
        attempt("rnn", TASK, learning_rates=[0.01], **settings)
