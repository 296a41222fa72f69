"""Tables of responses to a change after training, by hand."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from mfbench.figures.response import response_table
from tests.figures.conftest import spoil


def curve(cube: xr.Dataset, name: str, trained_at: float, column: str = "median") -> list[float]:
    table = response_table(cube, name, trained_at=trained_at)
    here = (table.architecture == "a") & (table.kernel == "airy") & (table.level == 0)
    return [float(v) for v in table[here].sort_values("change")[column]]


def test_the_trained_error_comes_first(cube: xr.Dataset) -> None:
    # Errors are 0.01, 0.02 and 0.03 at the selected learning rate.
    cube["perturbation_error"] = cube.perturbation_error * 1.5  # the change 0 is measured too
    found = curve(cube, "perturbation_error", 0.0)
    assert found == pytest.approx([0.03, 0.06, 0.3])
    assert curve(cube, "perturbation_error", 0.0, "high") == pytest.approx([0.045, 0.09, 0.45])
    assert curve(cube, "generalisation_error", 1, "change") == [1, 2, 4]
    assert curve(cube, "generalisation_error", 1) == pytest.approx([0.02, 0.04, 0.06])
    kept = cube.sel(perturbation=[0.01, 0.1])  # a study may leave 0 out
    assert curve(kept, "perturbation_error", 0.0) == pytest.approx([0.02, 0.06, 0.3])


def test_a_diverged_member_counts_as_infinite_and_an_absent_one_has_no_row(
    cube: xr.Dataset,
) -> None:
    at = {"architecture": 1, "kernel": 1, "level": 0, "learning_rate": 1}
    spoil(cube, "diverged", {**at, "seed": 0})
    assert curve(cube, "generalisation_error", 1) == pytest.approx([0.03, 0.06, 0.09])
    assert curve(cube, "generalisation_error", 1, "high") == [np.inf] * 3
    spoil(cube, "absent", {"architecture": 1, "kernel": 1, "level": 0})
    assert curve(cube, "generalisation_error", 1) == []


def test_a_model_that_cannot_run_longer_has_only_its_trained_error(cube: xr.Dataset) -> None:
    cube.generalisation_error[{"architecture": 1}] = np.nan
    spoil(cube, "diverged", {"architecture": 1, "kernel": 1, "level": 0, "seed": 2})
    # Its diverged seed does not count at lengths at which no seed can run.
    assert curve(cube, "generalisation_error", 1) == pytest.approx([0.02])
    assert curve(cube, "generalisation_error", 1, "high") == [np.inf]
