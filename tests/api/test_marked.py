"""Marked tasks from the dataset to the report, and in Python."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import mfbench as mf
from mfbench.api.attempt import attempt
from mfbench.figures.export import draw
from mfbench.figures.order import FIGURES
from mfbench.files.paths import Paths
from mfbench.report.page import write_report
from tests.api.results import TASK, make_results
from tests.conftest import architecture_settings

KINDS = ("steps", "marked")


@pytest.fixture(params=KINDS, scope="module")
def marked(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Paths:
    """The results of a small study of marked tasks."""
    task = TASK.model_copy(update={"marked": 0.5, "clock": request.param})
    folder = tmp_path_factory.mktemp("marked") / "results" / request.param
    linear = architecture_settings("s4d", options={"state": 2}, activation="none")
    return make_results(folder, task, {"linear": linear, "rnn": architecture_settings("rnn")})


def test_a_marked_study_reaches_its_cube_and_report(marked: Paths, tmp_path: Path) -> None:
    cube = mf.open(marked.file("benchmark"))
    assert (cube.status == "ok").all()
    linear, other = cube.sel(architecture="linear"), cube.sel(architecture="rnn")
    # One state is enough for an exponential, if it is told the marks.
    assert (other.lower_floor < 1e-9).all()
    assert (cube.linear_floor > 0.1).all()
    np.testing.assert_array_equal(linear.lower_floor, linear.linear_floor)
    assert (linear.cause == "out of reach").all()
    parts = ("kernel_error", "time_variation", "squared_bias", "nonlinear_residual")
    total = sum(cube[name] for name in parts)
    np.testing.assert_allclose(total, cube.relative_mse, rtol=0.5)
    assert cube.memory_over_training.notnull().all()
    assert cube.generalisation_error.notnull().all()
    figures = {name: draw(name, cube) for name in FIGURES}
    write_report(tmp_path / "report.html", cube=cube, figures=figures)
    page = (tmp_path / "report.html").read_text()
    assert "told the marks" in page
    clock = json.loads(cube.attrs["settings"])["task"]["clock"]
    steps, others = ("marked steps", "steps") if clock == "marked" else ("steps", "marked steps")
    for axis in ("lag ({})", "M99 ({})"):
        assert axis.format(steps) in page
        assert axis.format(others) not in page


def test_a_trained_model_of_a_marked_study_takes_pairs(marked: Paths) -> None:
    model = mf.load_model(
        Path(marked.file("benchmark")).parents[1], architecture="rnn", kernel="exponential", level=0
    )
    assert model(torch.zeros(2, 16, 2)).shape == (2, 16, 1)


class Held(nn.Module):
    """A state that stands still between marks; the best decay is that of the kernel."""

    state_size = 1

    def __init__(self, width: int) -> None:
        super().__init__()
        self.decay = nn.Parameter(torch.tensor(0.3))
        self.gain = nn.Parameter(torch.tensor(0.7))

    def forward(self, x: Tensor) -> Tensor:
        state, outputs = x.new_zeros(len(x)), []
        for value, mark in zip(*x.permute(2, 1, 0), strict=True):
            state = mark * (self.decay * state + value) + (1 - mark) * state
            outputs.append(self.gain * state)
        return torch.stack(outputs, 1)[..., None]


def test_a_state_that_stands_still_between_marks_learns_a_marked_clock() -> None:
    """It reaches the floor of the kernel, which no linear model of pairs comes near."""
    task = mf.Task("exponential", rho=0.7, length=32, marked=0.5, clock="marked", sequences=512)
    assert repr(task).endswith("length=32, marked=0.5, clock='marked')")
    assert task.g["test"].shape == task.x["test"].shape
    found = mf.train(Held, task, steps=300, learning_rates=0.03, seeds=1)
    assert found.error < 0.01
    linear = mf.floor(task, state=1, linear=True)
    assert linear.lower == pytest.approx(linear.upper)
    assert linear.lower > 0.4
    probed = mf.probe(found.module, task)
    assert float(probed.relative_mse) == pytest.approx(found.error, rel=1e-5)
    np.testing.assert_allclose(
        probed.learned_memory_function[:6], task.memory_function[:6], atol=0.15
    )
    np.testing.assert_allclose(probed.generalisation_error, 0.0, atol=0.02)


@pytest.mark.parametrize("clock", KINDS)
def test_an_attempt_on_a_marked_task(clock: str) -> None:
    task = mf.Task("impulse", rho=2, length=16, sequences=64, marked=0.5, clock=clock)
    tried = attempt("rnn", task, width=4, steps=10, device="cpu")
    assert tried.cube.linear_floor.item() > 0.4
    assert np.isfinite(tried.cube.relative_mse).all()
