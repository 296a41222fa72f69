"""Verdicts on sweeps with a chosen largest stable learning rate."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import xarray as xr

from mfbench.predictions.cells import cells
from mfbench.predictions.largest_learning_rate import largest_stable_rate
from mfbench.predictions.verdict import CONTRADICTED, NO_EFFECT, NOT_DECIDED, SUPPORTED
from tests.predictions.cubes import Member, expect, make_cube, study_of, verdict_of

NAME = "largest_learning_rate"
RATES = [0.01, 0.03, 0.1, 0.3, 1.0]
STUDY = study_of(
    kernels={"polynomial": {"memory_length": [8, 16]}},
    architectures={
        f"model-{p}": {"model": "stable_ssm", "options": {"state": 4, "parameterisation": p}}
        for p in ("direct", "best")
    },
    training={"learning_rates": RATES},
)


def cube_of(limit: Callable[[Member], float]) -> xr.Dataset:
    return make_cube(STUDY, lambda m: np.inf if m.rate > limit(m) else 0.01)


def by(direct: float, best: float) -> Callable[[Member], float]:
    return lambda m: direct if m.options["parameterisation"] == "direct" else best


def test_a_larger_stable_rate_supports() -> None:
    verdict = expect(verdict_of(NAME, cube_of(by(0.03, 0.3))), SUPPORTED)
    assert verdict.effect == pytest.approx(1)
    assert (verdict.runs, verdict.diverged) == (2 * 2 * 25, 2 * 5 * (3 + 1))


def test_a_stable_rate_beyond_the_sweep_supports() -> None:
    expect(verdict_of(NAME, cube_of(by(0.1, 9))), SUPPORTED)


def test_the_same_stable_rate_is_no_effect_and_a_smaller_one_contradicts() -> None:
    expect(verdict_of(NAME, cube_of(by(0.1, 0.1))), NO_EFFECT)
    expect(verdict_of(NAME, cube_of(by(0.3, 0.001))), CONTRADICTED)


def test_seeds_that_differ_decide_nothing() -> None:
    cube = cube_of(lambda m: by(0.03, 1.0 if m.seed < 2 else 0.01)(m))
    expect(verdict_of(NAME, cube), NOT_DECIDED, "contains 0 and 0.25")


def test_a_sweep_without_instability_decides_nothing() -> None:
    expect(verdict_of(NAME, cube_of(by(9, 9))), NOT_DECIDED, "do not reach its limit")


def test_too_few_rates_are_no_sweep() -> None:
    few = study_of(kernels={"polynomial": {"memory_length": [8]}}, architectures={"stable_ssm": {}})
    expect(verdict_of(NAME, make_cube(few, lambda m: 0.1)), NOT_DECIDED, "3 learning rates")


def test_the_first_unstable_rate_ends_the_sweep() -> None:
    # 0.1 diverges and 0.3 does not: 0.03 is the largest. Seed 4 ends badly at 0.03: unstable too.
    cube = make_cube(
        STUDY,
        lambda m: np.inf if m.rate in (0.1, 1.0) else 0.1,
        curve=lambda m: [1, 1, 1, 5.0 if (m.rate, m.seed) == (0.03, 4) else 0.1],
    )
    rates = largest_stable_rate(cells(cube)[0])
    assert 10 ** rates[0] == pytest.approx(0.03)
    assert 10 ** rates[4] == pytest.approx(0.01)
    none = make_cube(STUDY, lambda m: np.inf)
    assert 10 ** largest_stable_rate(cells(none)[0])[0] == pytest.approx(0.005)
