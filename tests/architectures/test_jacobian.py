"""Rows of Jacobians against full ones, and their mean."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mfbench.architectures.build import build_model
from mfbench.architectures.jacobian import jacobian_rows, mean_jacobian
from mfbench.architectures.model import SequenceModel
from mfbench.architectures.registry import registered
from tests.conftest import architecture_settings

LENGTH = 14


def model(name: str, **changes) -> SequenceModel:
    torch.manual_seed(0)
    settings = architecture_settings(name, **changes)
    return build_model(settings, width=4, length=LENGTH).double()


def inputs(count: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(count, LENGTH, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize("name", registered())
def test_rows_are_those_of_the_full_jacobian(name: str) -> None:
    m, x = model(name), inputs(3)
    times = torch.tensor([6, 13, 9])
    rows = jacobian_rows(m, x, times)
    for p, t in enumerate(times.tolist()):
        full = torch.autograd.functional.jacobian(lambda v: m(v[None, :, None])[0, :, 0], x[p])
        expected = [full[t, t - s] if s <= t else 0.0 for s in range(LENGTH)]
        np.testing.assert_allclose(rows[p].numpy(), expected, atol=1e-12)


@pytest.mark.parametrize("name", registered())
def test_gradients_of_the_parameters_are_left_alone(name: str) -> None:
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
    impulse = torch.zeros(1, LENGTH, 1, dtype=torch.float64)
    impulse[0, 0] = 1.0
    found = mean_jacobian(m, inputs(2), scored_from=6, probes=probes, batch_size=2)
    np.testing.assert_allclose(found.mean, m(impulse)[0, :, 0].detach().numpy(), atol=1e-12)
    np.testing.assert_array_equal(found.standard_error, np.zeros(LENGTH))


def test_the_mean_does_not_depend_on_the_batch_size() -> None:
    m, x = model("rnn"), inputs(5)
    small, large = (mean_jacobian(m, x, scored_from=6, probes=11, batch_size=b) for b in (2, 100))
    np.testing.assert_allclose(small.mean, large.mean, atol=1e-14)
    np.testing.assert_allclose(small.standard_error, large.standard_error, atol=1e-12)
