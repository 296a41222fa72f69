"""Verdicts from shares of successful runs."""

from __future__ import annotations

from typing import Any

import pytest

from mfbench.predictions.cells import cells
from mfbench.predictions.shares import cannot
from mfbench.predictions.verdict import CONTRADICTED, NOT_DECIDED, SUPPORTED
from tests.predictions.cubes import make_cube, study_of


def found(wins: int) -> Any:
    study = study_of(kernels={"impulse": {"rho": [3]}}, architectures={"rnn": {"widths": [2]}})
    return cells(make_cube(study, lambda m: 0.01 if m.seed < wins else 1.0))


@pytest.mark.parametrize(
    ("able", "unable", "answer"),
    [
        (5, 0, SUPPORTED),
        (3, 0, SUPPORTED),
        (2, 0, NOT_DECIDED),  # may be chance
        (0, 0, NOT_DECIDED),
        (5, 1, SUPPORTED),  # one success may be an accident
        (5, 2, CONTRADICTED),
        (0, 5, CONTRADICTED),
    ],
)
def test_verdicts_with_five_runs_each(able: int, unable: int, answer: str) -> None:
    verdict = cannot(
        found(able), found(unable), succeeds=lambda _, error: error < 0.5, effect_name="x"
    )
    assert verdict.verdict == answer, verdict
    assert verdict.effect == pytest.approx((able - unable) / 5)
    assert verdict.runs == 10
