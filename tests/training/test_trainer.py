"""Training of one member: learning, divergence, interruptions and the recorded memory."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from mfbench.models.build import build_model
from mfbench.models.jacobian import mean_over_steps, probe_jacobians
from mfbench.tasks.kernels.marks import Marks
from mfbench.tasks.past import past_of
from mfbench.training.data import TrainingData
from mfbench.training.progress import Progress
from mfbench.training.schedule import validation_steps
from mfbench.training.streams import BatchOrder
from mfbench.training.trainer import initial_model
from tests.conftest import architecture_settings, write_architecture
from tests.training.conftest import assert_same, copied, make_settings, train


def test_a_linear_model_learns_the_delay_and_its_memory_shows_it(data: TrainingData) -> None:
    settings = make_settings(steps=400, validations=8, memory_probes=4)
    done = train(data, "dilated_convolution", settings=settings)
    assert done.finished
    assert done.validation_error[-1] < 0.02 < 0.9 < done.validation_error[0]
    delay = torch.zeros(16)
    delay[2] = 1.0
    assert (done.memory[0] - delay).abs().max() > 0.5
    torch.testing.assert_close(done.memory[-1], delay, rtol=0.0, atol=0.1)


def test_the_best_validated_step_is_kept(data: TrainingData) -> None:
    done = train(data, settings=make_settings(steps=60, validations=12), learning_rate=0.3)
    assert done.best_error == min(done.validation_error)
    model = initial_model(architecture_settings("rnn"), width=4, length=16, seed=0)
    model.load_state_dict({k: torch.from_numpy(v) for k, v in done.best_weights().items()})
    with torch.no_grad():
        residual = model(data.x_validation)[..., 0] - data.y_validation
    assert residual[:, 8:].square().mean().item() == pytest.approx(done.best_error, rel=1e-5)


def test_layers_that_draw_random_numbers_resume_exactly(data: TrainingData, tmp_path: Path) -> None:
    """And recording the memory draws none of theirs."""
    name = write_architecture(
        tmp_path,
        "return self.drop(self.W(u))",
        init="self.W, self.drop = torch.nn.Linear(width, width), torch.nn.Dropout(0.5)",
    )
    whole = train(data, name)
    kept: list[Progress] = []

    def save(progress: Progress) -> None:
        if progress.step == 11:
            kept.append(copied(progress))

    every_step = make_settings(checkpoints={"minutes": 0})
    train(data, name, settings=every_step, save=save)
    torch.rand(5)  # the global generator may change in between
    assert_same(train(data, name, progress=kept[0]), whole)
    without = train(data, name, settings=make_settings(memory_probes=0))
    assert_same(whole, dataclasses.replace(without, memory=whole.memory))
    # This map has no memory: its Jacobian is 0 at lags of 1 and more.
    assert (whole.memory[:, 1:] == 0).all()


def test_time_adds_up_over_interruptions(data: TrainingData) -> None:
    kept: list[Progress] = []
    every_step = make_settings(checkpoints={"minutes": 0})
    whole = train(data, settings=every_step, save=lambda p: kept.append(copied(p)))
    assert whole.seconds == 30.0
    assert [p.seconds for p in kept[:29]] == list(range(1, 30))
    assert train(data, progress=kept[11]).seconds == 30.0


def test_checkpoints_are_saved_at_the_interval_of_the_settings(data: TrainingData) -> None:
    saved: list[int] = []
    settings = make_settings(checkpoints={"minutes": 0.1}, validations=2)  # 6 s, a step takes 1 s
    train(data, settings=settings, save=lambda p: saved.append(p.step))
    assert saved == [6, 12, 18, 24, 30, 30]


def test_a_divergence_counts_at_its_step_and_not_when_it_is_detected(data: TrainingData) -> None:
    poisoned = data.y.clone()
    poisoned[:] = float("nan")
    settings = make_settings(steps=3, validations=1)  # validated at steps 1 and 3
    kept: list[Progress] = []
    every_step = make_settings(steps=3, validations=1, checkpoints={"minutes": 0})
    train(data, settings=every_step, save=lambda p: kept.append(copied(p)))
    broken = dataclasses.replace(data, y=poisoned)
    done = train(broken, settings=settings, progress=kept[0])
    assert done.diverged_step == 2  # detected at step 3


def risen(data: TrainingData, factor: float = 1e3) -> TrainingData:
    """Data whose validation errors are far above the losses of training."""
    return dataclasses.replace(data, y_validation=factor * data.y_validation)


def test_a_model_that_starts_far_off_has_not_diverged(data: TrainingData) -> None:
    far = dataclasses.replace(data, y=1e4 * data.y, y_validation=1e4 * data.y_validation)
    done = train(far)
    assert done.validation_error[0] > 1e7  # of an error of 1 it would be a divergence
    assert done.diverged_step == -1
    assert train(risen(far)).diverged_step == 1


def test_only_scored_steps_are_trained_on(data: TrainingData) -> None:
    early = data.y.clone()
    early[:, :8] = 1e3
    assert_same(train(dataclasses.replace(data, y=early)), train(data))


def test_recording_the_memory_does_not_change_training(data: TrainingData) -> None:
    with_memory = train(data)
    without = train(data, settings=make_settings(memory_probes=0))
    assert torch.isfinite(with_memory.memory).all()
    assert torch.isnan(without.memory).all()
    assert_same(with_memory, dataclasses.replace(without, memory=with_memory.memory))


@pytest.mark.parametrize("name", ["rnn", "transformer"])
def test_the_memory_belongs_to_the_model_at_that_step(name: str, data: TrainingData) -> None:
    done = train(data, name, settings=make_settings(memory_probes=20))
    model = build_model(architecture_settings(name), width=4, length=16)
    model.load_state_dict({k: torch.from_numpy(v) for k, v in done.best_weights().items()})
    model.eval()
    x = data.x_validation[..., 0]
    found = probe_jacobians(model, x, scored_from=8, probes=20, batch_size=7)
    expected = mean_over_steps(*found[:2])
    kept = done.memory[validation_steps(30, 6).index(done.best_step)]
    np.testing.assert_allclose(kept.numpy(), expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("clock", [False, True])
def test_the_memory_of_a_marked_task_is_read_from_correlations(clock: bool) -> None:
    """At the best step, it is what the outputs say about the inputs that the target reads."""
    marks = Marks(0.5, clock=clock)
    x = torch.randn(400, 16, generator=torch.Generator().manual_seed(3))
    g = (torch.rand(400, 16, generator=torch.Generator().manual_seed(4)) < 0.5).to(x)
    past = past_of(x.numpy(), g.numpy(), marks)
    delay = np.eye(16)[1]
    pairs, y = torch.stack((x, g), -1), torch.from_numpy(past.response(delay)).to(x)
    data = TrainingData(pairs[200:], y[200:], pairs[:200], y[:200], scored_from=8, marks=marks)
    settings = make_settings(steps=300, validations=3, memory_probes=200)
    done = train(data, "gru", settings=settings, width=8)
    model = build_model(architecture_settings("gru"), width=8, length=16, d_in=2).eval()
    model.load_state_dict({k: torch.from_numpy(v) for k, v in done.best_weights().items()})
    with torch.no_grad():
        outputs = model(data.x_validation)[:, 8:, 0].double().numpy()
    seen = past_of(x[:200].numpy(), g[:200].numpy(), marks)
    kept = done.memory[validation_steps(300, 3).index(done.best_step)]
    np.testing.assert_allclose(kept.numpy(), seen.means(outputs).mean(0), atol=1e-5)
    assert int(kept.argmax()) == 1


def test_the_memory_after_a_divergence_is_nan(data: TrainingData) -> None:
    order = BatchOrder(seed=0, sequences=32, batch_size=8)
    poisoned = data.y.clone()
    poisoned[int(order.rows(3, 1)[0, 0])] = float("nan")
    done = train(dataclasses.replace(data, y=poisoned))
    assert done.diverged_step == 4  # validated at steps 1, 2, 4, ...
    assert torch.isfinite(done.memory[:2]).all()
    assert torch.isnan(done.memory[2:]).all()
    assert len(done.validation_error) == 2  # the curve up to this step is kept
    done = train(risen(data))
    assert (done.diverged_step, done.best_step) == (1, 0)
    assert torch.isnan(done.memory).all()


def test_initialisation_does_not_change_the_global_generator() -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    initial_model(architecture_settings("lru"), width=4, length=8, seed=1)
    assert torch.equal(torch.rand(3), expected)


def test_state_dynamics_have_their_own_rate_and_no_weight_decay(data: TrainingData) -> None:
    frozen = make_settings(optimiser={"ssm_learning_rate_factor": 0.0, "weight_decay": 0.5})
    done = train(data, "lru", settings=frozen)
    start = initial_model(architecture_settings("lru"), width=4, length=16, seed=0).state_dict()
    end = done.best_weights()
    for name in start:
        same = np.array_equal(start[name].numpy(), end[name])
        assert same == name.endswith(("nu_log", "theta_log", "gamma_log")), name
