"""Rows of Jacobians against full ones, and their mean against closed forms."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mfbench.models.build import build_model
from mfbench.models.jacobian import jacobian_rows, mean_over_steps, probe_jacobians
from mfbench.models.model import SequenceModel
from mfbench.models.registry import registered
from tests.conftest import architecture_settings

LENGTH, SCORED = 14, 6


def model(name: str, **changes) -> SequenceModel:
    torch.manual_seed(0)
    settings = architecture_settings(name, **changes)
    return build_model(settings, width=4, length=LENGTH).double()


def inputs(count: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(count, LENGTH, generator=generator, dtype=torch.float64)


def measure(m: SequenceModel, x: torch.Tensor) -> np.ndarray:
    return mean_over_steps(*probe_jacobians(m, x, scored_from=SCORED, batch_size=10)[:2])


@pytest.mark.parametrize("name", ["lru", "s4d"])
def test_the_memory_of_a_linear_model_is_its_impulse_response(name: str) -> None:
    m = model(name, activation="none")
    impulse = torch.zeros(1, LENGTH, 1, dtype=torch.float64)
    impulse[0, 0] = 1.0
    h = m(impulse)[0, :, 0].detach().numpy()
    np.testing.assert_allclose(measure(m, inputs(3)), h, atol=1e-12)


def test_a_known_recurrence_has_the_memory_of_its_closed_form() -> None:
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
    np.testing.assert_allclose(measure(m, inputs(2)), 0.5 ** np.arange(LENGTH), atol=1e-12)


@pytest.mark.parametrize("name", registered())
def test_rows_match_the_full_jacobian(name: str) -> None:
    m, x = model(name), inputs(3)
    times = torch.tensor([6, 13, 9])
    rows, _ = jacobian_rows(m, x, times)
    for p, t in enumerate(times.tolist()):
        full = torch.autograd.functional.jacobian(lambda v: m(v[None, :, None])[0, :, 0], x[p])
        expected = [full[t, t - s] if s <= t else 0.0 for s in range(LENGTH)]
        np.testing.assert_allclose(rows[p].numpy(), expected, atol=1e-12)


@pytest.mark.parametrize("name", registered())
def test_gradients_of_the_parameters_stay_unchanged(name: str) -> None:
    m = model(name)
    m(inputs(2)[..., None]).square().sum().backward()
    before = [p.grad.clone() for p in m.parameters() if p.grad is not None]
    jacobian_rows(m, inputs(3), torch.tensor([6, 13, 9]))
    after = [p.grad for p in m.parameters() if p.grad is not None]
    assert len(before) == len(after) > 0
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))


@pytest.mark.parametrize("probes", [1, 3, 8])
def test_a_time_invariant_linear_model_is_exact_with_any_number_of_probes(probes: int) -> None:
    m = model("stable_ssm")
    found = probe_jacobians(m, inputs(2), scored_from=SCORED, probes=probes, batch_size=2)
    np.testing.assert_allclose(mean_over_steps(*found[:2]), measure(m, inputs(3)), atol=1e-12)


def test_rows_do_not_depend_on_the_batch_size_and_inputs_are_reused() -> None:
    m, x = model("rnn"), inputs(5)
    small, large = (
        probe_jacobians(m, x, scored_from=SCORED, probes=11, batch_size=b)[0] for b in (2, 100)
    )
    np.testing.assert_allclose(small, large, atol=1e-14)
    assert len(small) == 11


def test_the_mean_is_over_scored_steps_that_see_the_lag() -> None:
    m, x = model("transformer"), inputs(LENGTH - SCORED)
    memory = measure(m, x)
    steps = torch.arange(SCORED, LENGTH).flip(0)
    rows = jacobian_rows(m, x, steps)[0].numpy()
    for s in range(LENGTH):
        seen = steps.numpy() >= s
        assert memory[s] == pytest.approx(rows[seen, s].mean(), abs=1e-14)


def test_few_probes_are_spread_and_see_every_lag() -> None:
    rows, times, _ = probe_jacobians(model("rnn"), inputs(3), scored_from=SCORED, batch_size=2)
    assert times.tolist() == [13, 11, 8]
    assert np.isfinite(mean_over_steps(rows, times)).all()


def test_jacobians_agree_with_correlations_under_gaussian_input() -> None:
    # Stein's lemma: E[d yhat_t / d x_{t-s}] = E[yhat_t x_{t-s}] for a nonlinear model.
    torch.manual_seed(3)
    m = build_model(architecture_settings("rnn"), width=8, length=LENGTH).double()
    with torch.no_grad():
        m.encoder.weight.mul_(2.0)  # well into the nonlinearity
    x = torch.randn(40_000, LENGTH, generator=torch.Generator().manual_seed(4)).double()
    t = LENGTH - 1
    rows, _, _ = probe_jacobians(m, x[:4000], scored_from=t, batch_size=4000)
    with torch.no_grad():
        y = m(x[..., None])[:, t, 0]
    products = (y[:, None] * x).flip(1).numpy()  # over lag
    error = products.std(0) / np.sqrt(len(x)) + rows.std(0) / np.sqrt(len(rows))
    assert np.all(np.abs(products.mean(0) - rows.mean(0)) < 5 * error)
    assert np.abs(rows.mean(0)).max() > 20 * error.max()  # far above the noise


def test_any_module_can_be_probed() -> None:
    class Delayed(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.nn.functional.pad(0.5 * x[:, :-2], (0, 0, 2, 0))

    x = torch.randn(6, 12, 1, generator=torch.Generator().manual_seed(0))[..., 0].double()
    rows, times, _ = probe_jacobians(Delayed(), x, scored_from=4, batch_size=4)
    expected = np.where(np.arange(12) == 2, 0.5, 0.0)
    np.testing.assert_allclose(mean_over_steps(rows, times), expected)
