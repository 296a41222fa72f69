"""Marked tasks against loops, closed forms, least squares and a baseline that is told the clock."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError
from scipy.stats import binom, nbinom

from mfbench.floors.netcdf import Floors
from mfbench.floors.upper import upper_bound
from mfbench.study.task import TaskSettings
from mfbench.tasks.datasets import Task, blocks
from mfbench.tasks.kernels import memory_function, window_weights
from mfbench.tasks.kernels.marks import Marks
from mfbench.tasks.past import MarkedPast, past_of
from tests.evaluation.tasks import make_task

KINDS = ("steps", "marked")
P, LENGTH = 0.5, 24


def settings(**changes: Any) -> TaskSettings:
    sizes = {"train": 30, "validation": 4, "test": 20}
    return TaskSettings.model_validate({"length": LENGTH, "sequences": sizes, **changes})


def directly(x: np.ndarray, g: np.ndarray, k: np.ndarray, *, clock: str, p: float) -> np.ndarray:
    """The targets from their definition, for one sequence."""
    y = np.zeros(len(x))
    for t in range(len(x)):
        s = 0
        for step in range(t, -1, -1):
            if clock == "steps":
                y[t] += k[t - step] * g[step] * x[step] / np.sqrt(p)
            elif g[step]:
                y[t] += k[s] * x[step]
                s += 1
    return y


@pytest.mark.parametrize("clock", KINDS)
@pytest.mark.parametrize("p", [0.1, 0.6])
def test_targets_follow_their_definition(clock: str, p: float) -> None:
    task = make_task(LENGTH, sequences=20, family="airy", rho=3.0, marked=p, clock=clock)
    x, g = task.x["test"].astype(float), task.g["test"]
    expected = np.array(
        [directly(*own, task.kernel, clock=clock, p=p) for own in zip(x, g, strict=True)]
    )
    np.testing.assert_allclose(task.past("test").response(task.kernel), expected, atol=1e-12)
    np.testing.assert_allclose(task.y["test"], expected, atol=1e-6)
    assert task.inputs("test").shape == (20, LENGTH, 2)


@pytest.mark.parametrize("clock", KINDS)
def test_if_all_steps_are_marked_the_task_is_the_plain_one_bit_for_bit(clock: str) -> None:
    plain = make_task(LENGTH, sequences=20, family="airy", rho=3.0)
    task = make_task(LENGTH, sequences=20, family="airy", rho=3.0, marked=1.0, clock=clock)
    np.testing.assert_array_equal(task.x["test"], plain.x["test"])
    np.testing.assert_array_equal(task.y["test"], plain.y["test"])
    np.testing.assert_array_equal(task.weights, plain.weights)
    assert task.g["test"].all()


def test_marks_have_a_stream_of_their_own() -> None:
    k = np.eye(1, LENGTH)[0]
    drawn = {}
    for p in (0.3, 0.7):
        for split in ("train", "test"):
            _, x, _, g = next(blocks(settings(marked=p), split, k))
            np.testing.assert_array_equal(x, next(blocks(settings(), split, k))[1])
            drawn[p, split] = g
    assert np.all(drawn[0.3, "train"] <= drawn[0.7, "train"])
    assert not np.array_equal(drawn[0.3, "train"][:20], drawn[0.3, "test"])
    assert drawn[0.3, "train"].mean() == pytest.approx(0.3, abs=5 * np.sqrt(0.21 / 720))


def test_settings_of_plain_tasks_are_unchanged_and_a_clock_needs_marks() -> None:
    assert not {"marked", "clock"} & settings().model_dump().keys()
    assert settings(marked=0.5).model_dump()["clock"] == "steps"
    assert settings(marked=0.5).for_floors() == settings().for_floors()
    assert settings(marked=0.5, clock="marked").for_floors()["marked"] == 0.5
    assert settings(marked=0.5, clock="marked").longest_memory == LENGTH // 4
    with pytest.raises(ValidationError, match="needs marks"):
        settings(clock="marked")
    for wrong in (0.0, 1.5, None):
        with pytest.raises(ValidationError):
            settings(marked=wrong)


@pytest.mark.parametrize(("scored_from", "seen"), [(0, None), (12, None), (12, 5), (12, 17)])
def test_weights_of_a_marked_clock_are_binomial(scored_from: int, seen: int | None) -> None:
    steps, lags = np.arange(scored_from, LENGTH)[:, None], np.arange(LENGTH)
    tries = np.minimum(steps + 1, seen or LENGTH)
    expected = binom.sf(lags, tries, 0.3).mean(0)
    found = Marks(0.3, clock=True).weights(LENGTH, scored_from, seen=seen)
    np.testing.assert_allclose(found, expected, atol=2e-9)


@pytest.mark.parametrize("clock", KINDS)
def test_the_zero_predictor_scores_a_relative_error_of_one(clock: str) -> None:
    task = make_task(64, sequences=4000, family="airy", rho=5.0, marked=P, clock=clock)
    square = (task.y["test"][:, 32:].astype(float) ** 2).mean(1)
    assert square.mean() == pytest.approx(1.0, abs=4 * square.std() / np.sqrt(4000))


def test_what_a_linear_model_can_use_of_a_marked_clock_has_closed_forms() -> None:
    d, marks = np.arange(LENGTH), Marks(0.3, clock=True)
    exponential = marks.linear_kernel(memory_function("exponential", 0.8, LENGTH))
    np.testing.assert_allclose(exponential, 0.3 * (0.7 + 0.3 * 0.8) ** d, rtol=1e-12)
    # The step of the s-th latest mark before a mark: a negative binomial waiting time.
    impulse = marks.linear_kernel(memory_function("impulse", 4, LENGTH))
    np.testing.assert_allclose(impulse, nbinom.pmf(d - 4, 5, 0.3), atol=1e-15)
    plain = Marks(0.3).linear_kernel(memory_function("impulse", 4, LENGTH))
    np.testing.assert_allclose(plain, np.sqrt(0.3) * (d == 4))


def floors_of(task: Task) -> Floors:
    return Floors(task.kernel, task.weights, 1, {}, marks=task.marks, scored_from=task.scored_from)


def lagged(x: np.ndarray) -> np.ndarray:
    """x_{t-s} over (N, T, S)."""
    return np.stack([np.pad(x, ((0, 0), (s, 0)))[:, : x.shape[1]] for s in range(x.shape[1])], -1)


def relative_error(task: Task, predictions: np.ndarray) -> tuple[float, float]:
    """Error on the scored steps and its standard error."""
    residual = (predictions - task.y["test"])[:, task.scored_from :]
    square = (residual.astype(float) ** 2).mean(1)
    return square.mean(), square.std() / np.sqrt(len(square))


@pytest.mark.parametrize(("family", "rho"), [("exponential", 0.6), ("impulse", 3.0)])
@pytest.mark.parametrize("clock", KINDS)
def test_least_squares_of_inputs_and_marks_reaches_the_linear_floor(
    family: str, rho: float, clock: str
) -> None:
    """All linear time-invariant responses to x and g, fitted on half of the sequences."""
    length = 16
    task = make_task(length, sequences=12_000, family=family, rho=rho, marked=P, clock=clock)
    x, g, y = task.x["test"], task.g["test"] - P, task.y["test"]
    design = np.concatenate([lagged(x), lagged(g), np.ones((*x.shape, 1))], -1)
    scored, half = slice(task.scored_from, None), slice(0, 6000)
    fit = design[half, scored].reshape(-1, design.shape[-1]), y[half, scored].ravel()
    coefficients = np.linalg.lstsq(*fit, rcond=None)[0]
    lower, upper = floors_of(task).of_linear_model(state_size=length, receptive_field=None)
    assert lower == pytest.approx(upper)
    if clock == "steps":
        assert lower == pytest.approx(1 - P)
    found, noise = relative_error(task, design @ coefficients)
    assert lower - 4 * noise < found < lower + 4 * noise + 0.01
    # In the limit of marks everywhere, it is the floor of the plain task.
    plain = make_task(length, sequences=2, family=family, rho=rho)
    marked = make_task(length, sequences=2, family=family, rho=rho, marked=1.0, clock=clock)
    size = {"state_size": 1, "receptive_field": None}
    expected = pytest.approx(floors_of(plain).of_model(**size), abs=1e-12)
    assert floors_of(marked).of_linear_model(**size) == expected


@pytest.mark.parametrize("clock", KINDS)
def test_the_best_linear_system_of_a_size_has_the_upper_linear_floor(clock: str) -> None:
    """The best single state for an impulse, run on data, is near the certified bound."""
    task = make_task(LENGTH, sequences=4000, family="impulse", rho=3.0, marked=P, clock=clock)
    lower, upper = floors_of(task).of_linear_model(state_size=1, receptive_field=None)
    assert task.marks is not None
    k = task.marks.linear_kernel(task.kernel)
    weights = window_weights(LENGTH, task.scored_from)
    system = upper_bound(k, weights, 1, feedthrough=True)
    predictions = past_of(task.x["test"], None, None).response(system.impulse_response)
    found, noise = relative_error(task, predictions)
    assert found == pytest.approx(upper, abs=4 * noise)
    assert lower <= upper
    assert floors_of(task).of_model(state_size=1, receptive_field=None)[1] < upper


@pytest.mark.parametrize("clock", KINDS)
def test_a_baseline_that_is_told_the_marks_reaches_the_floor_of_the_kernel(clock: str) -> None:
    """One state that multiplies by the marks or steps at marks only."""
    task = make_task(LENGTH, sequences=4000, family="impulse", rho=3.0, marked=P, clock=clock)
    system = upper_bound(task.kernel, task.weights, 1, feedthrough=True)
    lower, upper = floors_of(task).of_model(state_size=1, receptive_field=None)
    found, noise = relative_error(task, task.past("test").response(system.impulse_response))
    assert found == pytest.approx(upper, abs=4 * noise)
    assert found > lower - 4 * noise


def test_the_floor_of_a_receptive_field_on_a_marked_clock_is_what_lies_beyond_it() -> None:
    """The best guess from the last P steps is the sum over the marks in them."""
    seen = 6
    task = make_task(LENGTH, sequences=4000, rho=0.7, marked=P, clock="marked")
    x, g = (values["test"].astype(float) for values in (task.x, task.g))
    guess = np.zeros_like(x)
    for t in range(LENGTH):
        part = slice(max(0, t + 1 - seen), t + 1)
        guess[:, t] = MarkedPast(x[:, part], g[:, part], P).response(
            task.kernel[: part.stop - part.start]
        )[:, -1]
    found, noise = relative_error(task, guess)
    floor = floors_of(task).of_model(state_size=None, receptive_field=seen)
    assert floor[0] == floor[1] == pytest.approx(found, abs=4 * noise)
