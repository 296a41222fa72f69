"""A module that is a whole model has the numbers of the same model from a mixer."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mfbench.evaluation.member import MEASURED
from mfbench.training.status import STATUS
from tests.evaluation.groups import evaluate, make_level
from tests.whole import write_twin


@pytest.mark.parametrize("name", ["rnn", "stable_ssm"])
def test_a_whole_model_is_evaluated_as_the_same_mixer(name: str, tmp_path: Path) -> None:
    expected, found = (
        evaluate(reference, [make_level(folder, reference, 0.5)])
        for reference, folder in (
            (name, tmp_path / "mixer"),
            (write_twin(tmp_path, name), tmp_path / "whole"),
        )
    )
    assert (found.status == STATUS.index("ok")).all()
    # Perturbations draw their noise parameter by parameter, and the order differs.
    for variable in {*MEASURED, "state_size", "linear", "optimisation_part"} - {
        "perturbation_error"
    }:
        np.testing.assert_allclose(
            found[variable], expected[variable], rtol=1e-3, atol=1e-5, err_msg=variable
        )
    assert found.perturbation_error.notnull().all()
