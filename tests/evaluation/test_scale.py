"""A factor of the memory function changes no number, from the dataset to the evaluation."""

from __future__ import annotations

from pathlib import Path

import pytest
import xarray as xr

from tests.evaluation.groups import evaluate, make_level
from tests.tasks.kernels.own import write_family


@pytest.mark.parametrize(("factor", "rtol"), [(2.0**-10, 0.0), (1e-3, 1e-4)])
def test_no_factor_of_the_kernel_changes_a_number(
    factor: float, rtol: float, tmp_path: Path
) -> None:
    evaluated = []
    for scale in (1.0, factor):
        folder = tmp_path / str(scale)
        folder.mkdir()
        family = write_family(folder / "mine.py", f"{scale!r} * rho**lag", high="1.0")
        files = make_level(folder, "rnn", 0.5, family=family)
        evaluated.append(evaluate("rnn", [files]).drop_vars("seconds"))
    assert (evaluated[0].status == 1).all()  # none diverged
    xr.testing.assert_allclose(*evaluated, rtol=rtol, atol=0.0)
