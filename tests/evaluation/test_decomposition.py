"""The parts of the error: closed forms, exact enumeration, Jacobians, and their sum."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from mfbench.evaluation.decomposition import (
    Decomposition,
    Estimate,
    decompose,
)
from mfbench.evaluation.error import error_of_predictions, predict
from mfbench.models.ensemble import Ensemble
from mfbench.models.jacobian import jacobian_rows
from mfbench.models.model import Model, SequenceModel
from mfbench.models.registry import registered
from mfbench.study.training import TrainingSettings
from mfbench.tasks.datasets import Task
from mfbench.tasks.past import convolve, mean_lagged_products
from mfbench.training.data import TrainingData
from mfbench.training.trainer import Member, Trainer
from tests.conftest import architecture_settings
from tests.evaluation.tasks import exponential_model, make_model, make_task

PARTS = ("kernel_error", "time_variation", "squared_bias", "nonlinear_residual")
LENGTH = 24


def predictions_of(model: nn.Module, task: Task) -> np.ndarray:
    x = torch.from_numpy(task.inputs("test")).to(next(model.parameters()))
    return predict(model, x, scored_from=task.scored_from, batch_size=256)  # type: ignore[arg-type]


def split(model: nn.Module, task: Task, *, probes: int = 64) -> Decomposition:
    found = predictions_of(model, task)[None]
    ensemble = Ensemble([model])  # type: ignore[list-item]
    return decompose(ensemble, [task], found, probes=probes, batch_size=100)[0]


def measured(model: nn.Module, task: Task) -> Estimate:
    error = error_of_predictions(
        predictions_of(model, task),
        torch.from_numpy(task.y["test"]),
        scored_from=task.scored_from,
    )
    return Estimate(error.relative_mse, error.standard_error)


def values(found: Decomposition) -> np.ndarray:
    return np.array([getattr(found, name).value for name in PARTS])


def errors(found: Decomposition) -> np.ndarray:
    return np.array([getattr(found, name).standard_error for name in PARTS])


class Known(nn.Module):
    """a_t x_{t-1} + b (x_t^2 - 1) + c + d x_{t-2}^3, with known parts.

    Because of the cube, the mean Jacobian 3 d E[x^2] differs from d E[x x^3] if the input is not
    Gaussian.
    """

    linear = False
    b, c, d = 0.3, 0.4, 0.2

    def __init__(self, length: int) -> None:
        super().__init__()
        self.gain = nn.Parameter(0.8 + 0.3 * torch.sin(1.3 * torch.arange(length)).double())

    def forward(self, x: Tensor) -> Tensor:
        one, two = (nn.functional.pad(x, (0, 0, s, 0))[:, : x.shape[1]] for s in (1, 2))
        return self.gain[:, None] * one + self.b * (x**2 - 1) + self.c + self.d * two**3

    def parts(self, task: Task) -> np.ndarray:
        # Moments of order 4 and 6 of the input with variance 1.
        m4, m6 = {"normal": (3, 15), "uniform": (9 / 5, 27 / 7), "rademacher": (1, 1)}[
            task.distribution
        ]
        gain = self.gain.detach().numpy()[task.scored_from :]
        h = np.zeros(len(task.kernel))
        h[1], h[2] = gain.mean(), self.d * m4
        return np.array(
            [
                np.sum(task.weights * (task.kernel - h) ** 2),
                gain.var(),
                self.c**2,
                self.b**2 * (m4 - 1) + self.d**2 * (m6 - m4**2),
            ]
        )


@pytest.mark.parametrize("distribution", ["normal", "uniform", "rademacher"])
def test_a_model_with_known_parts(distribution: str) -> None:
    """Few sequences cause no bias, and the standard errors match the spread over repeats."""
    length, repeats = 14, 150
    model = Known(length)
    found, stated = [], []
    for seed in range(repeats):
        task = make_task(length, sequences=24, distribution=distribution, seed=seed, scored_from=5)
        parts = split(model, task, probes=18)
        found.append([*values(parts), parts.total.value])
        stated.append([*errors(parts), parts.total.standard_error])
        assert parts.kernel_error_over_lag.sum() == pytest.approx(parts.kernel_error.value)
        assert sum(found[-1][:4]) == pytest.approx(parts.total.value, rel=1e-10)
    truth = model.parts(task)
    truth = np.append(truth, truth.sum())
    spread = np.std(found, axis=0, ddof=1)
    offset = np.abs(np.mean(found, axis=0) - truth)
    assert np.all(offset < 4 * spread / np.sqrt(repeats))
    # If all noise is in products of two sequences, the stated error is too large by sqrt(2).
    ratio = spread / np.sqrt(np.mean(np.square(stated), axis=0))
    assert np.all((ratio > 0.55) & (ratio < 1.25)), ratio


def test_the_parts_of_the_known_model_tell_the_distributions_apart() -> None:
    # The mean Jacobian is 0.6 at lag 2 for all three; the truth is 0.6, 0.36 and 0.2.
    for distribution, expected in (("normal", 0.6), ("uniform", 0.36), ("rademacher", 0.2)):
        task = make_task(14, sequences=4000, distribution=distribution, scored_from=5)
        found = split(Known(14), task, probes=36)
        error = found.memory_standard_error[2]
        assert found.memory[2] == pytest.approx(expected, abs=4 * error)
        assert error < 0.02


def exactly(model: Model, task: Task) -> np.ndarray:
    """All parts by projection over all possible inputs: signs on a short window."""
    length = len(task.kernel)
    x = np.array(list(itertools.product((-1.0, 1.0), repeat=length)))
    y = predict(model, torch.from_numpy(x[..., None]), scored_from=0, batch_size=999)  # (2^T, T)
    steps = range(task.scored_from, length)
    H = np.array([(y[:, t] @ np.roll(x[:, ::-1], t + 1, 1)) / len(x) for t in steps])
    H *= np.tri(len(steps), length, task.scored_from)
    seen = [[row for t, row in zip(steps, H, strict=True) if t >= s] for s in range(length)]
    h = np.array([np.mean([row[s] for row in rows]) for s, rows in enumerate(seen)])
    variation = sum((row[s] - h[s]) ** 2 for s, rows in enumerate(seen) for row in rows)
    linear = sum(float(row @ row) for row in H)
    mean, square = y.mean(0)[task.scored_from :], (y**2).mean(0)[task.scored_from :]
    return np.array(
        [
            np.sum(task.weights * (task.kernel - h) ** 2),
            variation / len(H),
            np.mean(mean**2),
            np.mean(square - mean**2) - linear / len(H),
        ]
    )


def strong(name: str, *, length: int = LENGTH, width: int = 4) -> Model:
    """An untrained model well into its nonlinearity, with a bias."""
    model: Model = make_model(name, length=length, width=width)
    with torch.no_grad():
        if isinstance(model, SequenceModel):
            model.encoder.weight.mul_(2.0)
            model.decoder.weight.mul_(3.0)
        for parameter in model.parameters():
            if parameter.ndim == 1:
                parameter.add_(0.2)
    return model


@pytest.mark.parametrize("name", registered())
def test_the_parts_match_an_enumeration_of_all_inputs(name: str) -> None:
    task = make_task(8, sequences=400, distribution="rademacher", rho=0.5)
    model = strong(name, length=8)
    truth, found = exactly(model, task), split(model, task)
    assert np.all(np.abs(values(found) - truth) < 4 * errors(found) + 1e-12)
    # All 256 inputs, repeated until the correction of the U-statistics is negligible.
    x = np.array(list(itertools.product((-1.0, 1.0), repeat=8)), dtype=np.float32)
    everything = np.tile(x, (160, 1))
    y = convolve(everything.astype(np.float64), task.kernel).astype(np.float32)
    whole = replace(task, x={"test": everything}, y={"test": y})
    np.testing.assert_allclose(values(split(model, whole)), truth, atol=1e-3 * truth.sum())


def by_jacobians(
    model: Model, task: Task, *, inputs: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Kernel error and time variation under Gaussian input by Stein's lemma, with their errors."""
    length, steps = len(task.kernel), np.arange(task.scored_from, len(task.kernel))
    stream = torch.Generator().manual_seed(seed)
    x = torch.randn(inputs * len(steps), length, generator=stream, dtype=torch.float64)
    rows = jacobian_rows(model, x, torch.from_numpy(np.tile(steps, inputs)))[0].numpy()
    share = np.tri(len(steps), length, task.scored_from)
    share /= share.sum(0)
    found = []
    for J in np.split(rows.reshape(inputs, len(steps), length), 8):
        H, noise = J.mean(0), J.var(0, ddof=1) / len(J)
        h, noise_of_h = (share * H).sum(0), (share**2 * noise).sum(0)
        variation = (share * ((H - h) ** 2 - noise)).sum(0) + noise_of_h
        kernel = (task.kernel - h) ** 2 - noise_of_h
        found.append([np.sum(task.weights * kernel), np.sum(task.weights * variation)])
    return np.mean(found, 0), np.std(found, 0, ddof=1) / np.sqrt(8)


def trained(name: str) -> SequenceModel:
    task = make_task(LENGTH, sequences=320, seed=7)
    x, y = torch.from_numpy(task.inputs("test")), torch.from_numpy(task.y["test"])
    data = TrainingData(x[64:], y[64:], x[:64], y[:64], task.scored_from)
    settings = TrainingSettings(steps=200, batch_size=16, validations=2)
    member = Member(data, learning_rate=0.02, seed=0)
    trainer = Trainer(architecture_settings(name), [member], width=4, settings=settings)
    trainer.train()
    assert trainer.progress[0].validation_error[-1] < 0.7  # it has learned something
    return trainer.ensemble.model.double().eval()


@pytest.mark.parametrize(
    ("name", "make"),
    [
        *((name, strong) for name in registered()),
        *((name, trained) for name in ("gru", "transformer", "s4d", "mlstm")),
    ],
)
def test_the_parts_add_up_to_the_error_and_agree_with_jacobians(
    name: str, make: Callable[[str], Model]
) -> None:
    model = make(name)
    found = split(model, make_task(LENGTH))
    # The error on other sequences, then on the same ones.
    for task in (make_task(LENGTH, seed=1, sequences=512), make_task(LENGTH)):
        error = measured(model, task)
        gap = found.total.value - error.value
        assert abs(gap) < 3 * np.hypot(found.total.standard_error, error.standard_error)
    parts, noise = by_jacobians(model, task, inputs=64, seed=3)
    assert np.all(
        np.abs(values(found)[:2] - parts) < 4 * np.hypot(errors(found)[:2], noise) + 1e-12
    )


@pytest.mark.parametrize("name", ["lru", "s4d", "s5"])
def test_a_linear_model_is_split_exactly(name: str) -> None:
    task = make_task(LENGTH, scored_from=7, family="airy", rho=5)
    model = make_model(name, length=LENGTH, activation="none")
    found = split(model, task)
    # The population error: for white input, the squared response to all unit inputs.
    units = np.eye(LENGTH)
    response = predict(model, torch.from_numpy(units[..., None]), scored_from=7, batch_size=9)
    population = np.mean(((response - convolve(units, task.kernel)[:, 7:]) ** 2).sum(0))
    assert found.total.value == pytest.approx(population, rel=1e-10)
    assert found.kernel_error.value == pytest.approx(population, rel=1e-10)
    np.testing.assert_allclose(values(found)[1:], 0.0, atol=1e-20)
    np.testing.assert_array_equal(errors(found), np.zeros(4))
    error = measured(model, task)
    assert abs(found.total.value - error.value) < 3 * error.standard_error


def test_an_exponential_has_the_error_of_its_closed_form() -> None:
    task = make_task(LENGTH)
    h = 0.5 * 0.6 ** np.arange(LENGTH)
    found = split(exponential_model(0.6, 0.5, LENGTH), task)
    expected = task.weights * (task.kernel - h) ** 2
    np.testing.assert_allclose(found.kernel_error_over_lag, expected, atol=1e-12)
    np.testing.assert_allclose(found.memory, h, atol=1e-12)
    cumulative = np.cumsum(expected)
    assert found.half_error_lag == np.flatnonzero(cumulative >= cumulative[-1] / 2)[0]


class Fading(nn.Module):
    """Linear, with a gain that changes over time: g_t x_{t-1}."""

    linear = True

    def __init__(self, length: int) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.linspace(1.0, 0.2, length, dtype=torch.float64))

    def forward(self, x: Tensor) -> Tensor:
        return self.gain[:, None] * nn.functional.pad(x, (0, 0, 1, 0))[:, : x.shape[1]]


def test_a_linear_model_that_varies_over_time_is_split_exactly() -> None:
    task, model = make_task(LENGTH), Fading(LENGTH)
    gain = model.gain.detach().numpy()[task.scored_from :]
    h = np.zeros(LENGTH)
    h[1] = gain.mean()
    found = split(model, task)
    assert found.time_variation.value == pytest.approx(gain.var(), rel=1e-12)
    expected = np.sum(task.weights * (task.kernel - h) ** 2)
    assert found.kernel_error.value == pytest.approx(expected, rel=1e-12)
    np.testing.assert_array_equal(errors(found), np.zeros(4))


def test_lagged_products_match_the_plain_sums(rng: np.random.Generator) -> None:
    length, scored_from = 11, 4
    q, x = rng.standard_normal((3, length - scored_from)), rng.standard_normal((3, length))
    found = mean_lagged_products(q, x)
    for s in range(length):
        steps = range(max(scored_from, s), length)
        expected = np.mean([q[:, t - scored_from] * x[:, t - s] for t in steps], axis=0)
        np.testing.assert_allclose(found[:, s], expected, atol=1e-12)


def test_the_lag_of_half_the_error() -> None:
    found = split(exponential_model(0.6, 0.5, LENGTH), make_task(LENGTH))

    def half(over_lag: list[float]) -> float:
        error = Estimate(sum(over_lag), 0.0)
        return replace(
            found, kernel_error=error, kernel_error_over_lag=np.array(over_lag)
        ).half_error_lag

    assert half([4.0, 1.0, 1.0]) == 0
    assert half([1.0, 1.0, 2.0]) == 1
    assert half([1.0, 0.0, 5.0]) == 2
    assert np.isnan(half([0.1, -0.2]))


def test_one_sequence_is_refused() -> None:
    task = make_task(LENGTH)
    with pytest.raises(ValueError, match="two test sequences"):
        decompose(
            Ensemble([make_model("rnn", length=LENGTH)]),
            [task],
            np.zeros((1, 1, LENGTH - task.scored_from)),
            probes=8,
            batch_size=8,
        )
