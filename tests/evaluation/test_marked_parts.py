"""The parts of the error in marked tasks, against an enumeration and models with known parts."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from mfbench.evaluation.decomposition import Decomposition, decompose
from mfbench.evaluation.error import predict
from mfbench.floors.upper import upper_bound
from mfbench.models.ensemble import Ensemble
from mfbench.tasks.datasets import Task
from mfbench.tasks.past import MarkedPast, past_of
from tests.evaluation.tasks import make_task

KINDS = ("steps", "marked")
PARTS = ("kernel_error", "time_variation", "squared_bias", "nonlinear_residual")


def split(model: nn.Module, task: Task, *, probes: int = 64) -> Decomposition:
    x = torch.from_numpy(task.inputs("test")).double()
    found = predict(model, x, scored_from=task.scored_from, batch_size=999)[None]  # type: ignore[arg-type]
    ensemble = Ensemble([model.double()])  # type: ignore[list-item]
    return decompose(ensemble, [task], found, probes=probes, batch_size=999)[0]


class Gated(nn.Module):
    """A nonlinear state that a mark lets in, with a bias and a gain that varies over time."""

    linear = False

    def __init__(self) -> None:
        super().__init__()
        self.decay = nn.Parameter(torch.tensor(0.6, dtype=torch.float64))

    def forward(self, x: Tensor) -> Tensor:
        state, outputs = x.new_zeros(len(x)), []
        for t in range(x.shape[1]):
            value, mark = x[:, t].unbind(-1)
            state = torch.where(mark > 0, torch.tanh(self.decay * state + value), state)
            outputs.append((1 + 0.1 * t) * state + 0.1 * value + 0.2)
        return torch.stack(outputs, 1)[..., None]


def exactly(model: nn.Module, task: Task) -> np.ndarray:
    """All parts by projection over all signs and all marks, which have the same probability."""
    length, start = len(task.kernel), task.scored_from
    signs = list(itertools.product((-1.0, 1.0), repeat=length))
    marks = list(itertools.product((0.0, 1.0), repeat=length))
    x, g = (np.array(each) for each in zip(*itertools.product(signs, marks), strict=True))
    inputs = torch.from_numpy(np.stack((x, g), -1))
    y = predict(model, inputs, scored_from=start, batch_size=9999)  # type: ignore[arg-type]
    past = past_of(x, g, task.marks)
    units = np.eye(length)
    z = np.stack([past.response(unit) for unit in units], -1)[:, start:]  # (N, T - t0, T)
    size = (z**2).mean(0).round(12)  # 0, not rounding errors, at lags that no step sees
    sums = np.einsum("nt,nts->ts", y, z) / len(y)
    H = np.divide(sums, size, out=np.zeros_like(sums), where=size > 0)
    h = np.divide(sums.sum(0), size.sum(0), out=np.zeros(length), where=size.sum(0) > 0)
    np.testing.assert_allclose(size.mean(0), task.weights, atol=1e-12)
    mean, square = y.mean(0), (y**2).mean(0)
    return np.array(
        [
            np.sum(task.weights * (task.kernel - h) ** 2),
            np.mean((size * (H - h) ** 2).sum(1)),
            np.mean(mean**2),
            np.mean(square - mean**2 - (size * H**2).sum(1)),
        ]
    )


@pytest.mark.parametrize("clock", KINDS)
def test_the_parts_match_an_enumeration_of_all_inputs_and_marks(clock: str) -> None:
    task = make_task(5, sequences=4000, distribution="rademacher", rho=0.5, marked=0.5, clock=clock)
    model = Gated()
    truth, found = exactly(model, task), split(model, task)
    parts = [getattr(found, name) for name in PARTS]
    for part, expected in zip(parts, truth, strict=True):
        assert part.value == pytest.approx(expected, abs=4 * part.standard_error)
        assert part.standard_error < 0.1 * truth.sum()
    x = torch.from_numpy(task.inputs("test")).double()
    residual = predict(model, x, scored_from=2, batch_size=999) - task.y["test"][:, 2:]  # type: ignore[arg-type]
    assert truth.sum() == pytest.approx((residual**2).mean(), rel=0.1)
    assert found.total.value == pytest.approx(truth.sum(), abs=4 * found.total.standard_error)
    assert found.kernel_error_over_lag.sum() == pytest.approx(found.kernel_error.value)


class Told(nn.Module):
    """A response that reads what the memory reads: it multiplies by the marks, or counts them."""

    linear = False

    def __init__(self, task: Task, h: np.ndarray) -> None:
        super().__init__()
        self.marks, self.h = task.marks, h
        self.gain = nn.Parameter(torch.tensor(1.0, dtype=torch.float64))

    def forward(self, x: Tensor) -> Tensor:
        read = past_of(*x.detach().numpy().transpose(2, 0, 1), self.marks)
        return self.gain * torch.from_numpy(read.response(self.h))[..., None]


@pytest.mark.parametrize("clock", KINDS)
def test_a_baseline_that_is_told_the_marks_has_a_kernel_error_alone(clock: str) -> None:
    """With the best response of one state, it is the floor of that size."""
    task = make_task(16, sequences=3000, family="impulse", rho=2.0, marked=0.5, clock=clock)
    system = upper_bound(task.kernel, task.weights, 1, feedthrough=True)
    found = split(Told(task, system.impulse_response), task, probes=400)
    for name in PARTS:
        part = getattr(found, name)
        expected = system.error if name == "kernel_error" else 0.0
        assert part.value == pytest.approx(expected, abs=4 * part.standard_error)
        assert part.standard_error < 0.03
    often = task.weights > 0.1
    np.testing.assert_allclose(found.memory[often], system.impulse_response[often], atol=0.1)
    assert np.all(found.memory[task.weights == 0] == 0)


def test_on_a_clock_of_all_steps_the_parts_are_those_of_marked_input() -> None:
    """With marks everywhere, the sums by blocks of sequences equal those by FFT."""
    task = make_task(12, sequences=130, rho=0.7, marked=1.0)
    one = split(Gated(), task)
    clock = replace(task, marks=replace(task.marks, clock=True))
    assert isinstance(clock.past("test"), MarkedPast)
    other = split(Gated(), clock)
    for name in (*PARTS, "total"):
        a, b = getattr(one, name), getattr(other, name)
        assert a.value == pytest.approx(b.value, rel=1e-9, abs=1e-12)
        assert a.standard_error == pytest.approx(b.standard_error, rel=1e-9, abs=1e-12)
    np.testing.assert_allclose(one.memory, other.memory, atol=1e-12)
