"""Learned memory functions against closed forms and full Jacobians."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mfbench.architectures.build import build_model
from mfbench.architectures.model import SequenceModel
from mfbench.evaluation.memory import jacobian_rows, learned_memory
from tests.conftest import architecture_settings

LENGTH, SCORED = 14, 6


def model(name: str, **changes) -> SequenceModel:
    torch.manual_seed(0)
    settings = architecture_settings(name, **changes)
    return build_model(settings, width=4, length=LENGTH).double()


def inputs(count: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(count, LENGTH, generator=generator, dtype=torch.float64)


def measure(m: SequenceModel, x: torch.Tensor, probes: int = 64):
    return learned_memory(m, x, scored_from=SCORED, probes=probes, batch_size=10)


@pytest.mark.parametrize("name", ["lru", "s4d"])
def test_a_linear_model_has_its_impulse_response(name: str) -> None:
    m = model(name, activation="none")
    impulse = torch.zeros(1, LENGTH, 1, dtype=torch.float64)
    impulse[0, 0] = 1.0
    h = m(impulse)[0, :, 0].detach().numpy()
    memory = measure(m, inputs(3))
    np.testing.assert_allclose(memory.mean, h, atol=1e-12)
    np.testing.assert_array_equal(memory.standard_error, np.zeros(LENGTH))


def test_a_linear_model_is_the_solution_of_a_known_recurrence() -> None:
    # One LRU state with lambda = 0.5, B = C = 1, D = 0: h_s = 0.5^s by hand.
    m = build_model(
        architecture_settings("lru", activation="none", options={"state": 1}),
        width=1,
        length=LENGTH,
    ).double()
    mixer = m.layers[0].mixer
    with torch.no_grad():
        m.encoder.weight.fill_(1.0)
        m.decoder.weight.fill_(1.0)
        mixer.nu_log.fill_(np.log(np.log(2.0)))
        mixer.theta_log.fill_(-60.0)
        mixer.gamma_log.zero_()
        mixer.B.copy_(torch.tensor([[[1.0, 0.0]]]))
        mixer.C.copy_(torch.tensor([[[1.0, 0.0]]]))
        mixer.D.zero_()
    np.testing.assert_allclose(measure(m, inputs(2)).mean, 0.5 ** np.arange(LENGTH), atol=1e-12)


def test_the_mean_is_over_scored_steps_that_see_the_lag() -> None:
    m, x = model("transformer"), inputs(LENGTH - SCORED)
    memory = measure(m, x, probes=LENGTH - SCORED)
    steps = torch.arange(SCORED, LENGTH).flip(0)
    rows = jacobian_rows(m, x, steps).numpy()
    for s in range(LENGTH):
        seen = steps.numpy() >= s
        assert memory.mean[s] == pytest.approx(rows[seen, s].mean(), abs=1e-14)


def test_few_probes_are_spread_and_see_every_lag() -> None:
    memory = measure(model("rnn"), inputs(3), probes=3)
    assert np.isfinite(memory.mean).all()


def test_jacobians_agree_with_correlations_under_gaussian_input() -> None:
    # Stein's lemma: E[d yhat_t / d x_{t-s}] = E[yhat_t x_{t-s}] for a nonlinear model.
    torch.manual_seed(3)
    m = build_model(architecture_settings("rnn"), width=8, length=LENGTH).double()
    with torch.no_grad():
        m.encoder.weight.mul_(2.0)  # well into the nonlinearity
    x = torch.randn(40_000, LENGTH, generator=torch.Generator().manual_seed(4)).double()
    t = LENGTH - 1
    memory = learned_memory(m, x, scored_from=t, probes=4000, batch_size=4000)
    with torch.no_grad():
        y = m(x[..., None])[:, t, 0]
    products = (y[:, None] * x).flip(1).numpy()  # over lag
    error = products.std(0) / np.sqrt(len(x)) + memory.standard_error
    assert np.all(np.abs(products.mean(0) - memory.mean) < 5 * error)
    assert np.abs(memory.mean).max() > 20 * error.max()  # a test with something to see


def test_the_standard_error_is_that_of_repeated_measurements() -> None:
    m = model("rnn")
    with torch.no_grad():
        m.encoder.weight.mul_(3.0)
    generator = torch.Generator().manual_seed(5)
    means, errors = [], []
    for _ in range(40):
        x = torch.randn(64, LENGTH, generator=generator, dtype=torch.float64)
        memory = learned_memory(m, x, scored_from=LENGTH - 1, probes=64, batch_size=64)
        means.append(memory.mean[:4])
        errors.append(memory.standard_error[:4])
    ratio = np.std(means, axis=0, ddof=1) / np.mean(errors, axis=0)
    assert np.all((ratio > 0.6) & (ratio < 1.5))
