"""Verdicts from shares of successful runs."""

from __future__ import annotations

from typing import Any

import pytest

from mfbench.predictions.cells import cells
from mfbench.predictions.shares import cannot
from mfbench.predictions.verdict import CONTRADICTED, NOT_DECIDED, SUPPORTED, Verdict
from tests.predictions.cubes import make_cube, study_of


def found(wins: int, *, lags: tuple[int, ...] = (3,), seeds: int = 5) -> Any:
    study = study_of(
        kernels={"impulse": {"rho": list(lags)}},
        architectures={"rnn": {"widths": [2]}},
        training={"learning_rates": [0.01], "seeds": list(range(seeds))},
    )
    return cells(make_cube(study, lambda m: 0.01 if m.seed < wins else 1.0))


def judge(able: Any, unable: Any) -> Verdict:
    return cannot(able, unable, succeeds=lambda _, error: error < 0.5, margin=0.25, effect_name="x")


@pytest.mark.parametrize(
    ("able", "unable", "answer"),
    [
        (5, 0, SUPPORTED),
        (3, 0, NOT_DECIDED),  # may be chance
        (0, 0, NOT_DECIDED),
        (5, 1, SUPPORTED),  # one success may be an accident
        (5, 2, CONTRADICTED),
        (0, 5, CONTRADICTED),
    ],
)
def test_verdicts_with_five_seeds_each(able: int, unable: int, answer: str) -> None:
    verdict = judge(found(able), found(unable))
    assert verdict.verdict == answer, verdict
    assert verdict.effect == pytest.approx((able - unable) / 5)
    assert verdict.runs == 10


def test_tasks_of_one_seed_are_one_trial() -> None:
    many = (2, 3, 4, 5, 6, 7)
    one_good_seed = judge(found(1, lags=many, seeds=3), found(0, lags=many, seeds=3))
    assert one_good_seed.verdict == NOT_DECIDED, one_good_seed
    assert one_good_seed.reason.startswith("1 of 3 seeds against 0 of 3")
    half = judge([*found(5), *found(0, lags=(4,))], found(0))
    assert half.effect == 0.5
