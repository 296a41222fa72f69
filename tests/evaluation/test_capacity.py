"""Linear memory capacity: a delay line, a leaky integrator, and the bound by the state's size."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import mfbench as mf
from mfbench.evaluation.capacity import memory_capacity
from mfbench.models.build import build_model
from mfbench.models.whole import WholeModel
from tests.conftest import architecture_settings

LENGTH, SCORED, SEQUENCES = 48, 24, 512
SAMPLES = SEQUENCES // 2 * (LENGTH - SCORED)  # of the half on which the readout is judged


class Line(nn.Module):
    """z_t = A z_{t-1} + b x_t, with a state of several parts."""

    def __init__(self, A: Tensor, b: Tensor) -> None:
        super().__init__()
        self.A, self.b = nn.Parameter(A), nn.Parameter(b)

    def initial_state(self, batch: int) -> Any:
        return {"clock": torch.tensor(0.0), "z": (self.A.new_zeros(batch, len(self.A)),)}

    def step(self, x_t: Tensor, state: Any) -> tuple[Tensor, Any]:
        z = state["z"][0] @ self.A.T + x_t * self.b
        return z[:, :1], {"clock": state["clock"] + 1, "z": (z,)}

    def forward(self, x: Tensor) -> Tensor:
        return torch.stack([y for y, _ in WholeModel(self).steps(x)], 1)


@pytest.fixture(scope="module")
def x() -> Tensor:
    return torch.randn(SEQUENCES, LENGTH, 1, generator=torch.Generator().manual_seed(1))


def test_a_delay_line_remembers_as_many_lags_as_it_has_states(x: Tensor) -> None:
    n = 5
    line = WholeModel(Line(torch.diag(torch.ones(n - 1), -1), torch.eye(n)[0]))
    found = memory_capacity(line, x, scored_from=SCORED)
    np.testing.assert_allclose(found.over_lag[:n], 1.0, atol=1e-9)
    # Each weight of the readout has an error of 1 / sqrt(M), so r^2 = 2 w.e - w^2, with w^2 = n / M
    # in the mean, and e, the correlation of input and state on the other half, 1 / sqrt(M) too.
    lags = SCORED - np.maximum(0, np.arange(LENGTH) - SCORED)  # steps that see the lag
    seen = SAMPLES * lags / SCORED
    assert (np.abs(found.over_lag[n:]) < (n + 10 * np.sqrt(n)) / seen[n:]).all()
    assert found.message == ""


def test_a_leaky_integrator_forgets_exponentially(x: Tensor) -> None:
    a = 0.8
    found = memory_capacity(
        WholeModel(Line(torch.tensor([[a]]), torch.ones(1))), x, scored_from=SCORED
    )
    s = np.arange(LENGTH)
    before = s > SCORED  # inputs that only some scored steps have seen
    expected = (1 - a**2) * a ** (2 * s)
    # A correlation has the standard error 1 / sqrt(M), with z's correlation time fewer M.
    error = 2 * np.sqrt(expected) * np.sqrt((1 + a**2) / (1 - a**2) / SAMPLES)
    assert (np.abs(found.over_lag - expected) < 5 * error + 30 / SAMPLES)[~before].all()
    assert found.total == pytest.approx(1.0, abs=0.05)


@pytest.mark.parametrize("name", ["lru", "s4d", "rnn", "gru", "lstm"])
def test_the_total_is_at_most_the_size_of_the_state(name: str, x: Tensor) -> None:
    options = {"state": 4} if name in ("lru", "s4d") else {}
    torch.manual_seed(0)
    settings = architecture_settings(name, layers=1, options=options)
    model = build_model(settings, width=3, length=LENGTH).eval()
    found = memory_capacity(model, x, scored_from=SCORED)
    # No readout is better than the best one on the test half: the projection onto n numbers and the
    # mean. It has at most n times the largest eigenvalue of the inputs' own sample correlations,
    # and the mean adds the squared correlations of a constant.
    test = x[SEQUENCES // 2 :, :, 0].double().numpy()
    lagged = [np.pad(test, ((0, 0), (s, 0)))[:, :LENGTH][:, SCORED:] for s in range(LENGTH)]
    u = np.stack([part.ravel() for part in lagged], 1)
    u /= np.linalg.norm(u, axis=0)
    mean = np.square(u.sum(0)).sum() / len(u)
    assert model.state_size is not None
    largest = np.linalg.eigvalsh(u.T @ u).max()
    assert 0.5 < found.total <= model.state_size * largest + mean


def test_what_has_no_state_has_no_capacity(x: Tensor) -> None:
    found = memory_capacity(WholeModel(nn.Linear(1, 1)), x, scored_from=SCORED)
    assert np.isnan(found.total)
    assert np.isnan(found.over_lag).all()
    assert "no step form" in found.message
    large = WholeModel(Line(torch.eye(9), torch.ones(9)))
    assert "9 numbers" in memory_capacity(large, x[:4, :8], scored_from=4).message


def test_probe_has_the_capacity() -> None:
    task = mf.Task("exponential", memory_length=4, length=16)
    found = mf.probe(Line(torch.diag(torch.ones(2), -1), torch.eye(3)[0]), task)
    assert float(found.total_memory_capacity) == pytest.approx(3.0, abs=0.05)
    assert found.memory_capacity.dims == ("lag",)
    assert found.attrs["capacity_message"] == ""
    assert "step form" in mf.probe(nn.Linear(1, 1), task).attrs["capacity_message"]
