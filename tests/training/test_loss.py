"""The rescaled loss against a plain sum, and its weights."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mfbench.training.data import TrainingData
from mfbench.training.loss import time_weights
from mfbench.training.streams import BatchOrder
from mfbench.training.trainer import Member, Trainer, initial_model
from tests.conftest import architecture_settings
from tests.training.conftest import make_settings, train


@pytest.mark.parametrize("power", [2.0, -1.0])
def test_the_weighted_loss_and_its_gradient_agree_with_a_plain_sum(
    power: float, data: TrainingData
) -> None:
    settings = make_settings(
        loss={"time_power": power}, gradient_clipping=None, steps=1, optimiser={"betas": (0, 0)}
    )
    member = Member(data, learning_rate=1e-3, seed=0)
    architecture = architecture_settings("rnn")
    model = initial_model(architecture, width=4, length=16, seed=0)
    rows = BatchOrder(seed=0, sequences=32, batch_size=8).rows(0, 1)[0]
    weights = [(t + 1) ** power for t in range(8, 16)]
    slow = torch.zeros(())
    for i in rows:
        prediction = model(data.x[int(i)][None])[0, :, 0]
        for v, t in zip(weights, range(8, 16), strict=True):
            scaled = v * len(weights) / sum(weights)
            slow = slow + (scaled * (prediction[t] - data.y[int(i), t])) ** 2
    slow = slow / (len(rows) * len(weights))
    expected = torch.autograd.grad(slow, list(model.parameters()))
    trainer = Trainer(architecture, [member], width=4, settings=settings)
    trainer.train()
    torch.testing.assert_close(trainer.losses[0, 0], slow.detach(), rtol=1e-5, atol=1e-7)
    flat = torch.cat([g.reshape(-1) for g in expected])
    # With betas of 0, the first moment is the gradient.
    torch.testing.assert_close(trainer.optimiser.first_moment[0], flat, rtol=1e-4, atol=1e-7)


def test_time_weights_do_not_affect_validation(data: TrainingData) -> None:
    settings = make_settings(steps=1, validations=1, learning_rates=[1e-12])
    weighted = make_settings(
        steps=1, validations=1, learning_rates=[1e-12], loss={"time_power": 3.0}
    )
    plain, late = (train(data, settings=s, learning_rate=1e-12) for s in (settings, weighted))
    assert plain.validation_error == pytest.approx(late.validation_error, rel=1e-6)
    assert plain.train_error[0] != pytest.approx(late.train_error[0], rel=1e-3)


def test_time_weights_are_powers_with_mean_one() -> None:
    expected = np.array([3.0, 4.0, 5.0]) ** 2 / np.mean([9.0, 16.0, 25.0])
    np.testing.assert_allclose(time_weights(2.0, length=5, scored_from=2), expected, rtol=1e-14)
    np.testing.assert_array_equal(time_weights(0.0, length=5, scored_from=2), np.ones(3))
    huge = time_weights(1e4, length=5, scored_from=2)  # only the last step is left
    np.testing.assert_allclose(huge, [0.0, 0.0, 3.0], atol=1e-12)


def test_a_larger_power_weighs_late_lags_more() -> None:
    # Weight of lag s in the loss of a linear model: the sum of v_t^2 over t >= s, divided by T.
    def over_lag(power: float) -> np.ndarray:
        v = time_weights(power, length=64, scored_from=0)
        return np.cumsum((v**2)[::-1])[::-1] / 64

    plain, late = over_lag(0.0), over_lag(2.0)
    np.testing.assert_allclose(plain, 1 - np.arange(64) / 64)  # w_s of docs/tasks.md
    assert (np.diff(late) < 0).all()  # positive weights never favour late lags
    relative = late / late[0] / plain
    assert (np.diff(relative) > 0).all()
    # In the limit of long sequences W_s / W_0 = 1 - (s/T)^(2p + 1).
    s = np.arange(64) / 64
    np.testing.assert_allclose(late / late[0], 1 - s**5, atol=0.05)
