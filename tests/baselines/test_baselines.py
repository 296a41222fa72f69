"""Baselines against least squares, closed forms and floors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from mfbench.baselines.netcdf import (
    baselines,
    best_response,
    read_baselines,
    relative_error,
    write_baselines,
)
from mfbench.baselines.ridge import Ridge, fit_ridge, lagged_moments, windows
from mfbench.evaluation.error import error_of_predictions
from mfbench.files import OtherFileError
from mfbench.floors.netcdf import read_floors, write_floors
from mfbench.study.task import FloorSettings, TaskSettings
from mfbench.tasks.datasets import Task, read_dataset, write_dataset

SPLITS = {"train": 400, "validation": 200, "test": 1000}
MARKED = {"marked": 0.5}
CLOCK = {"marked": 0.5, "clock": "marked"}


def settings(**changes: Any) -> TaskSettings:
    return TaskSettings.model_validate({"length": 16, "sequences": SPLITS, **changes})


def make(folder: Path, family: str = "exponential", rho: float = 0.8, **changes: Any) -> Task:
    path = folder / "task.nc"
    write_dataset(path, settings=settings(**changes), family=family, rho=rho)
    return read_dataset(path)


def lagged(task: Task, split: str, window: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows of inputs at lags 0, 1, ... (all channels of each) and targets of all scored steps."""
    inputs = task.inputs(split).astype(float)
    padded = np.pad(inputs, ((0, 0), (window, 0), (0, 0)))
    steps = np.arange(task.scored_from, inputs.shape[1])
    rows = np.stack([padded[:, window + steps - s] for s in range(window)], 2)
    return rows.reshape(len(steps) * len(inputs), -1), task.y[split][:, steps].reshape(-1)


@pytest.mark.parametrize("scored_from", [0, 3, 7])
def test_lagged_moments_are_sums_over_the_scored_steps(
    scored_from: int, rng: np.random.Generator
) -> None:
    a, b = rng.standard_normal((2, 5, 8))
    expected = np.zeros((8, 8))
    for t in range(scored_from, 8):
        expected[: t + 1, : t + 1] += a[:, t::-1].T @ b[:, t::-1]
    np.testing.assert_allclose(lagged_moments(a, b, scored_from), expected, atol=1e-12)


@pytest.mark.parametrize(("marked", "scored_from"), [({}, 8), ({}, 0), (MARKED, 8), (CLOCK, 5)])
def test_ridge_is_least_squares_on_its_window(
    tmp_path: Path, marked: dict[str, Any], scored_from: int
) -> None:
    """A penalised fit is a plain one with rows that ask for small responses."""
    task = make(tmp_path, noise=0.5, scored_from=scored_from, **marked)
    found = fit_ridge(task)
    rows, y = lagged(task, "train", found.window)
    shrunk = np.sqrt(len(y) * found.penalty) * np.eye(rows.shape[1])
    expected = np.linalg.lstsq(
        np.concatenate([rows, shrunk]), np.concatenate([y, np.zeros(len(shrunk))]), rcond=None
    )[0]
    np.testing.assert_allclose(found.responses[: found.window].ravel(), expected, atol=1e-9)
    assert not found.responses[found.window :].any()
    held, y = lagged(task, "test", found.window)
    predicted = found.predict(task.inputs("test"))
    assert relative_error(predicted, task) == pytest.approx(np.mean((held @ expected - y) ** 2))


def test_validation_chooses_the_window_and_the_penalty(tmp_path: Path) -> None:
    """Few noisy sequences: the best choice for validation, by trying them all."""
    task = make(tmp_path, noise=1.0, sequences={**SPLITS, "train": 4, "validation": 1000})
    found = fit_ridge(task)
    errors = {}
    for window in windows(16):
        rows, y = lagged(task, "train", window)
        held, wanted = lagged(task, "validation", window)
        for penalty in 10.0 ** np.arange(-10, 1):
            G = rows.T @ rows / len(y) + penalty * np.eye(window)
            responses = np.linalg.solve(G, rows.T @ y / len(y))
            errors[window, penalty] = np.mean((held @ responses - wanted) ** 2)
    best = min(errors, key=lambda key: errors[key])
    assert (found.window, found.penalty) == pytest.approx(best)
    assert found.penalty > 1e-3
    assert windows(20) == [1, 2, 4, 8, 16, 20]


@pytest.mark.parametrize(("lag", "window"), [(0, 1), (3, 4), (4, 8), (12, 16)])
def test_without_noise_the_smallest_window_that_sees_the_memory_is_chosen(
    tmp_path: Path, lag: int, window: int
) -> None:
    task = make(tmp_path, "impulse", lag)
    assert fit_ridge(task).window == window
    assert baselines(task, []).ridge_error < 1e-10


def test_a_window_leaves_the_energy_of_the_tail(tmp_path: Path) -> None:
    """White inputs: the responses are the memory function, and what lies beyond w is lost."""
    task = make(tmp_path)
    for window in (1, 2, 4):
        rows, y = lagged(task, "train", window)
        responses = np.zeros((16, 1))
        responses[:window, 0] = np.linalg.solve(rows.T @ rows, rows.T @ y)
        np.testing.assert_allclose(responses[:window, 0], task.kernel[:window], atol=0.05)
        error = relative_error(Ridge(window, 0.0, responses).predict(task.inputs("test")), task)
        tail = np.sum((task.weights * task.kernel**2)[window:])
        assert error == pytest.approx(tail, rel=0.1)


@pytest.mark.parametrize("marked", [{}, MARKED, CLOCK])
def test_linear_systems_have_the_error_of_their_floor(
    tmp_path: Path, marked: dict[str, Any]
) -> None:
    """Up to sampling error; in marked tasks, the floor of linear models of input and marks."""
    task = make(tmp_path, "polynomial", 1.2, **marked)
    path = tmp_path / "floors.nc"
    state_sizes = FloorSettings(state_sizes=[1])  # 2 is found by a search of its own
    write_floors(path, task=settings(**marked), settings=state_sizes, family="polynomial", rho=1.2)
    floors = read_floors(path, task=settings(**marked).model_dump())
    out = tmp_path / "baselines.nc"
    about = {"task": settings(**marked).model_dump(), "kernel": "polynomial", "rho": 1.2}
    files = {"dataset": tmp_path / "task.nc", "floors": path}
    write_baselines(out, state_sizes=[1, 2], **files, **about)
    kernel, rho, found = read_baselines(out, task=about["task"])
    assert (kernel, rho) == ("polynomial", 1.2)
    assert list(found.linear_system_error) == [1, 2]
    for n, error in found.linear_system_error.items():
        lower, upper = floors.of_linear_model(state_size=n, receptive_field=None)
        h = best_response(task.kernel, n, scored_from=task.scored_from, marks=task.marks)
        residual = np.stack([np.convolve(x, h)[:16] for x in task.x["test"]]) - task.y["test"]
        spread = np.mean(residual[:, task.scored_from :] ** 2, 1).std() / np.sqrt(SPLITS["test"])
        assert 0 < lower <= upper
        assert error == pytest.approx(upper, abs=4 * spread)
        assert 4 * spread < 0.2 * upper
    assert found == baselines(task, [1, 2])


def test_errors_are_those_of_models(tmp_path: Path) -> None:
    """And predicting zero has the mean square of the target."""
    task = make(tmp_path)
    found = baselines(task, [1])
    y = torch.from_numpy(task.y["test"])

    def error(predictions: np.ndarray) -> float:
        scored = task.scored_from
        return error_of_predictions(predictions[:, scored:], y, scored_from=scored).relative_mse

    assert found.zero_error == pytest.approx(error(np.zeros(y.shape)), rel=1e-12)
    assert found.zero_error == pytest.approx(1, abs=0.1)
    predicted = fit_ridge(task).predict(task.inputs("test"))
    assert found.ridge_error == pytest.approx(error(predicted), rel=1e-9)


def test_baselines_of_another_task_are_refused(tmp_path: Path) -> None:
    make(tmp_path)
    paths = {"dataset": tmp_path / "task.nc", "floors": tmp_path / "floors.nc"}
    task, own = settings(), FloorSettings(state_sizes=[1])
    write_floors(paths["floors"], task=task, settings=own, family="exponential", rho=0.8)
    out = tmp_path / "baselines.nc"
    given = {"task": task.model_dump(), "kernel": "exponential", "rho": 0.8}
    write_baselines(out, state_sizes=[], **paths, **given)
    assert read_baselines(out)[2].linear_system_error == {}
    with pytest.raises(OtherFileError, match=r"task\.seed = 0, not 1"):
        read_baselines(out, task=given["task"] | {"seed": 1})
