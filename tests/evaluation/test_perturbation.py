"""Errors of perturbed weights."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from mfbench.evaluation.error import relative_mse
from mfbench.evaluation.perturbation import directions, perturbation_error
from mfbench.models.ensemble import Ensemble
from tests.evaluation.tasks import exponential_model, make_model, make_task

TASK = make_task(16, sequences=40)
X, Y = (torch.from_numpy(a).double() for a in (TASK.inputs("test"), TASK.y["test"]))
SCORED: dict[str, Any] = {"scored_from": TASK.scored_from, "batch_size": 16}


def perturb(model: nn.Module, norms: list[float], *, repeats: int = 3, seed: int = 0) -> np.ndarray:
    return perturbation_error(
        Ensemble([model]),  # type: ignore[list-item]
        X[None],
        Y[None],
        relative_norms=norms,
        repeats=repeats,
        seeds=[seed],
        **SCORED,
    )[0]


class Gain(nn.Module):
    """One parameter: a x_t."""

    def __init__(self, a: float) -> None:
        super().__init__()
        self.a = nn.Parameter(torch.tensor(a, dtype=torch.float64))

    def forward(self, x: Tensor) -> Tensor:
        return self.a * x


def test_directions_are_uniform_of_norm_one_and_reproducible() -> None:
    found = directions(3, repeats=400, parameters=7)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1.0)
    np.testing.assert_allclose(found.T @ found / 400, np.eye(7) / 7, atol=0.04)
    np.testing.assert_array_equal(found, directions(3, repeats=400, parameters=7))
    assert not np.allclose(found, directions(4, repeats=400, parameters=7))


@pytest.mark.parametrize("repeats", [3, 4, 5])
def test_one_parameter_has_the_error_of_its_closed_form(repeats: int) -> None:
    # The norm is |a| beta and the direction a sign: the model becomes a (1 +- beta) x.
    a, norms = -0.7, [0.0, 0.1, 0.5]
    signs = directions(5, repeats=repeats, parameters=1)[:, 0]
    assert set(signs) == {-1.0, 1.0}  # both occur, so the median matters
    scored = slice(TASK.scored_from, None)
    expected = [
        np.median(
            [
                float(((a + s * abs(a) * b) * X[..., 0] - Y)[:, scored].square().mean())
                for s in signs
            ]
        )
        for b in norms
    ]
    np.testing.assert_allclose(perturb(Gain(a), norms, repeats=repeats, seed=5), expected)


def test_a_small_perturbation_of_a_perfect_linear_model_costs_its_square() -> None:
    # With h = k the error is the squared change of the response, a quadratic form in the weights.
    model = exponential_model(0.8, float(TASK.kernel[0]), 16)
    at_zero, one, two = perturb(model, [0.0, 1e-5, 2e-5])
    assert at_zero < 1e-12
    assert one > 1e-11
    assert two / one == pytest.approx(4.0, rel=0.01)


def test_all_weights_change_by_the_relative_norm_and_are_restored() -> None:
    model = make_model("rnn", length=16)
    before = {k: v.clone() for k, v in model.state_dict().items()}
    found = perturb(model, [0.3], repeats=1)
    assert all(torch.equal(before[k], v) for k, v in model.state_dict().items())
    weights = torch.cat([p.detach().flatten() for p in model.parameters()])
    way = torch.from_numpy(directions(0, repeats=1, parameters=len(weights))[0])
    changed, start = weights + 0.3 * weights.norm() * way, 0
    with torch.no_grad():
        for p in model.parameters():
            p.copy_(changed[start : start + p.numel()].view_as(p))
            start += p.numel()
    assert found[0] == pytest.approx(relative_mse(model, X, Y, **SCORED), rel=1e-10)


def test_without_perturbation_the_error_is_the_models_own() -> None:
    model = make_model("gru", length=16)
    assert perturb(model, [0.0])[0] == relative_mse(model, X, Y, **SCORED)


class Fragile(nn.Module):
    """Returns NaN if its weight grows."""

    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Parameter(torch.tensor(1.0, dtype=torch.float64))

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.sqrt(1.0 - self.a)


def test_an_output_that_is_not_finite_counts_as_an_infinite_error() -> None:
    signs = [directions(s, repeats=3, parameters=1)[:, 0].sum() for s in range(20)]
    grows, shrinks = signs.index(1.0), signs.index(-1.0)  # it grows in 2 of 3 or in 1 of 3 repeats
    assert perturb(Fragile(), [0.1], seed=grows)[0] == np.inf
    assert np.isfinite(perturb(Fragile(), [0.1], seed=shrinks)[0])


class Breaks(Gain):
    """Runs only at its first weight."""

    def forward(self, x: Tensor) -> Tensor:
        if float(self.a.detach()) != 1.0:
            raise ValueError("changed")
        return x


def test_weights_come_back_as_they_were_when_a_perturbed_model_breaks() -> None:
    """The same ensemble may be measured again."""
    ensemble = Ensemble([Breaks(1.0)])  # type: ignore[list-item]
    with pytest.raises(ValueError, match="changed"):
        perturbation_error(
            ensemble, X[None], Y[None], relative_norms=[0.1], repeats=1, seeds=[0], **SCORED
        )
    assert float(ensemble.parameters[0, 0]) == 1.0
