"""Linear memory capacity: delay lines, a leaky integrator, and the bound by the state's size."""

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
from mfbench.tasks.datasets import Task
from tests.conftest import architecture_settings
from tests.evaluation.tasks import make_task

LENGTH, SCORED, SEQUENCES = 48, 24, 342
SAMPLES = SEQUENCES * (LENGTH - SCORED)


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


def delay_line(n: int) -> Line:
    return Line(torch.diag(torch.ones(n - 1), -1), torch.eye(n)[0])


class MarkedLine(nn.Module):
    """A delay line of marked inputs, which moves at every step or at marks only."""

    def __init__(self, n: int, *, clock: bool) -> None:
        super().__init__()
        self.n, self.clock, self.gain = n, clock, nn.Parameter(torch.ones(1))

    def initial_state(self, batch: int) -> Tensor:
        return torch.zeros(batch, self.n)

    def step(self, x_t: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        x, g = x_t.split(1, -1)
        moved = torch.cat((self.gain * g * x, state[:, :-1]), 1)
        state = torch.where(g > 0, moved, state) if self.clock else moved
        return state[:, :1], state


@pytest.fixture(scope="module")
def task() -> Task:
    return make_task(LENGTH, sequences=SEQUENCES, rho=0.8)


@pytest.mark.parametrize("n", [5, 20])
def test_a_delay_line_remembers_as_many_lags_as_it_has_states(n: int, task: Task) -> None:
    found = memory_capacity(WholeModel(delay_line(n)), task)
    np.testing.assert_allclose(found.over_lag[:n], 1.0, atol=1e-9)
    # Without the correction for chance, the total would be n (T - n) / M too large: n (T - n)
    # squared correlations of two inputs, which are equal for inputs that are equally far apart.
    chance = n * (LENGTH - n) / SAMPLES
    spread = n * np.sqrt(2 * (LENGTH - n)) / SAMPLES
    assert abs(found.over_lag.sum() - n) < 3 * spread < chance
    left = (task.weights * task.kernel**2)[n:].sum()  # of the target, which a readout cannot reach
    assert found.readout_error == pytest.approx(left, rel=0.1)
    np.testing.assert_array_equal(found.marked, found.over_lag)
    assert found.message == ""


def test_a_leaky_integrator_forgets_exponentially(task: Task) -> None:
    a = 0.8
    found = memory_capacity(WholeModel(Line(torch.tensor([[a]]), torch.ones(1))), task)
    s = np.arange(LENGTH)
    seen = np.minimum(1, (LENGTH - s) / (LENGTH - SCORED))  # by this share of the scored steps
    expected = (1 - a**2) * a ** (2 * s) * seen
    # A correlation has the standard error 1 / sqrt(M), with z's correlation time fewer M.
    error = 2 * np.sqrt(expected) * np.sqrt((1 + a**2) / (1 - a**2) / SAMPLES)
    assert (np.abs(found.over_lag - expected) < 4 * error + 20 / SAMPLES).all()
    assert found.over_lag.sum() == pytest.approx(1.0, abs=0.08)
    assert found.readout_error < 1e-9  # its state is the target


@pytest.mark.parametrize("name", ["lru", "s4d", "stable_ssm", "rnn", "gru", "mlstm"])
def test_the_total_is_at_most_the_size_of_the_state(name: str, task: Task) -> None:
    options = {"state": 4} if name in ("lru", "s4d") else {}
    torch.manual_seed(0)
    settings = architecture_settings(name, layers=1, options=options)
    model = build_model(settings, width=4, length=LENGTH).eval()
    found = memory_capacity(model, task)
    # A projection onto n numbers has at most n times the largest eigenvalue of the inputs' own
    # sample correlations.
    x = task.x["test"].astype(float)
    lagged = [np.pad(x, ((0, 0), (s, 0)))[:, SCORED:LENGTH].ravel() for s in range(LENGTH)]
    largest = np.linalg.eigvalsh(np.corrcoef(lagged)).max()
    assert model.state_size is not None
    assert 0.5 < found.over_lag.sum() <= model.state_size * largest
    assert found.over_lag.sum() < LENGTH
    assert found.over_lag.max() <= 1


@pytest.mark.parametrize("clock", ["steps", "marked"])
def test_what_marked_tasks_remember_is_measured_too(clock: str) -> None:
    n, share = 4, 0.5
    task = make_task(LENGTH, sequences=SEQUENCES, rho=0.8, marked=share, clock=clock)
    line = MarkedLine(n, clock=clock == "marked")
    found = memory_capacity(WholeModel(line, d_in=2), task)
    np.testing.assert_allclose(found.marked[:n], 1.0, atol=1e-9)
    assert abs(found.marked[n:]).max() < 60 / SAMPLES  # between marks, samples repeat
    left = (task.weights * task.kernel**2)[n:].sum()
    assert found.readout_error == pytest.approx(left, rel=0.1)
    if clock == "steps":  # g x / sqrt(p) explains a share p of x
        np.testing.assert_allclose(found.over_lag[:n], share, atol=5 / np.sqrt(SAMPLES))


def test_what_has_no_known_state_has_no_capacity(task: Task) -> None:
    class Broken(Line):
        def step(self, x_t: Tensor, state: Any) -> Any:
            raise ValueError("not written yet")

    few = make_task(8, sequences=4)
    for model, where, why in (
        (nn.Linear(1, 1), task, "no step form"),
        (Line(torch.eye(9), torch.ones(9)), few, "9 numbers: too many for 16 steps"),
        (Line(torch.eye(2) * 1e30, torch.ones(2)), task, "not finite"),
        (Broken(torch.eye(2), torch.ones(2)), task, "not written yet"),
    ):
        found = memory_capacity(WholeModel(model), where)
        assert why in found.message
        assert np.isnan(found.over_lag).all()
        assert np.isnan(found.readout_error)


def test_probe_has_the_capacity() -> None:
    task = mf.Task("exponential", memory_length=4, length=16)
    found = mf.probe(delay_line(3), task)
    assert float(found.total_memory_capacity) == pytest.approx(3.0, abs=0.02)
    assert found.memory_capacity.dims == ("lag",)
    assert found.attrs["capacity_message"] == ""
    assert "marked_memory_capacity" not in found
    assert "step form" in mf.probe(nn.Linear(1, 1), task).attrs["capacity_message"]
