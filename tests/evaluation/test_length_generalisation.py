"""Errors on longer sequences."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from mfbench.evaluation.length_generalisation import (
    LongerTask,
    generalisation_error,
    longer_task,
)
from mfbench.models.ensemble import Ensemble
from mfbench.tasks.kernels.memory import window_weights
from tests.evaluation.tasks import exponential_model, make_model, make_task, measure_error

LENGTH = 16


def closed_form(longer: LongerTask, h: np.ndarray) -> float:
    weights = window_weights(len(longer.kernel), longer.scored_from)
    k = longer.kernel
    return float(np.sum(weights * (k - h) ** 2) / np.sum(weights * k**2))


def error_of(model: nn.Module, longer: LongerTask, *, batch_size: int) -> float:
    ensemble = Ensemble([model])  # type: ignore[list-item]
    (found,), _ = generalisation_error(ensemble, [longer], batch_size=batch_size)
    return float(found)


def standard_error(model: nn.Module, longer: LongerTask) -> float:
    absolute = measure_error(
        model, longer.x, longer.y, scored_from=longer.scored_from, batch_size=100
    )
    return absolute.standard_error / longer.variance


@pytest.mark.parametrize(
    ("family", "rho"),
    [("exponential", 0.9), ("polynomial", 0.8), ("impulse", 7.0), ("airy", 6.5)],
)
@pytest.mark.parametrize(("factor", "scored_from"), [(2, 8), (4, 3)])
def test_the_target_continues_in_its_own_normalisation(
    family: str, rho: float, factor: int, scored_from: int
) -> None:
    task = make_task(LENGTH, family=family, rho=rho, scored_from=scored_from)
    longer = longer_task(task, factor, sequences=4000)
    np.testing.assert_allclose(longer.kernel[:LENGTH], task.kernel, rtol=1e-12, atol=1e-15)
    assert longer.x.shape[:2] == longer.y.shape == (4000, factor * LENGTH)
    assert longer.scored_from == factor * scored_from
    # The zero predictor has an error of 1, relative to the population variance.
    square = longer.y[:, longer.scored_from :].double().square().mean(1).numpy() / longer.variance
    assert square.mean() == pytest.approx(1.0, abs=4 * square.std() / np.sqrt(4000))
    x, k, t = longer.x[0, :, 0].double().numpy(), longer.kernel, factor * LENGTH - 1
    assert float(longer.y[0, t]) == pytest.approx(float(k @ x[::-1]), abs=1e-5)


def test_inputs_are_new_at_every_length_and_the_same_for_all_models() -> None:
    task = make_task(LENGTH, sequences=20)
    two, again = (longer_task(task, 2, sequences=20) for _ in range(2))
    assert torch.equal(two.x, again.x)
    four = longer_task(task, 4, sequences=20)
    assert not np.isin(two.x[..., 0].numpy(), task.x["test"]).any()
    assert not torch.isin(two.x, four.x).any()


@pytest.mark.parametrize("factor", [2, 4])
def test_a_recurrence_has_the_error_of_its_closed_form(factor: int) -> None:
    task = make_task(LENGTH)
    longer = longer_task(task, factor, sequences=500)
    perfect = exponential_model(0.8, float(task.kernel[0]), LENGTH).float()
    assert error_of(perfect, longer, batch_size=100) < 1e-10
    model = exponential_model(0.5, 0.9, LENGTH).float()
    expected = closed_form(longer, 0.9 * 0.5 ** np.arange(factor * LENGTH))
    error = standard_error(model, longer)
    assert error < 0.1 * expected
    found = error_of(model, longer, batch_size=64)
    assert found == pytest.approx(expected, abs=4 * error)


class FIR(nn.Module):
    """The taps of the target up to a width, as a model that runs at any length."""

    maximum_length = None

    def __init__(self, taps: np.ndarray) -> None:
        super().__init__()
        self.taps = nn.Parameter(torch.from_numpy(taps.astype(np.float32)))

    def forward(self, x: Tensor) -> Tensor:
        lags = [nn.functional.pad(x, (0, 0, s, 0))[:, : x.shape[1]] for s in range(len(self.taps))]
        return sum((k * u for k, u in zip(self.taps, lags, strict=True)), torch.zeros_like(x))


def test_a_window_loses_the_tail_that_only_longer_sequences_see() -> None:
    task = make_task(LENGTH, family="polynomial", rho=0.6)
    longer = longer_task(task, 4, sequences=500)
    model = FIR(task.kernel)  # everything that training could show
    expected = closed_form(longer, np.append(task.kernel, np.zeros(3 * LENGTH)))
    assert expected > 0.02  # although its error is 0 at the training length
    found = error_of(model, longer, batch_size=64)
    assert found == pytest.approx(expected, abs=4 * standard_error(model, longer))


@pytest.mark.parametrize("positions", ["none", "sinusoidal", "learned", "rope", "alibi"])
def test_learned_positions_end_at_the_training_length(positions: str) -> None:
    model = make_model("transformer", length=LENGTH, options={"positions": positions}).float()
    longer = longer_task(make_task(LENGTH), 2, sequences=4)
    found = error_of(model, longer, batch_size=4)
    assert model.maximum_length == (LENGTH if positions == "learned" else None)
    assert np.isnan(found) == (positions == "learned")
    if positions == "learned":  # the declared maximum is correct
        model(longer.x[:, :LENGTH])
        with pytest.raises(ValueError, match="learned positions end"):
            model(longer.x)


class Explosion(FIR):
    """Overflows beyond the training length."""

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.exp(10.0 * torch.arange(x.shape[1]))[:, None]


def test_an_output_that_is_not_finite_is_an_infinite_error() -> None:
    longer = longer_task(make_task(LENGTH), 2, sequences=4)
    assert error_of(Explosion(np.ones(1)), longer, batch_size=4) == np.inf
