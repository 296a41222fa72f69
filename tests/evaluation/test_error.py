"""Errors on the test split."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.evaluation.tasks import measure_error


class Half(torch.nn.Module):
    """Predicts half of the present input."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return 0.5 * x


@pytest.mark.parametrize("batch_size", [3, 1000])
def test_errors_match_the_formula_for_any_batch_size(batch_size: int) -> None:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(2000, 10, generator=generator)
    found = measure_error(Half(), x[..., None], x, scored_from=4, batch_size=batch_size)
    squares = (0.5 * x[:, 4:].double()).square().numpy()
    assert found.relative_mse == pytest.approx(squares.mean(), rel=1e-6)
    np.testing.assert_allclose(found.over_time, squares.mean(0), rtol=1e-6)
    assert found.relative_mse == pytest.approx(0.25, abs=4 * found.standard_error)
    # sqrt(2 / (N T_eff)) for independent Gaussian residuals
    assert found.standard_error == pytest.approx(0.25 * np.sqrt(2 / (2000 * 6)), rel=0.1)
