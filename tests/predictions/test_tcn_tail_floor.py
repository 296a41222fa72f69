"""Verdicts on a synthetic cliff, and on runs below their floor."""

from __future__ import annotations

import numpy as np
import pytest

from mfbench.predictions.cells import cells
from mfbench.predictions.tcn_tail_floor import tail_energy
from mfbench.predictions.verdict import CONTRADICTED, NOT_DECIDED, SUPPORTED
from tests.predictions.cubes import Member, expect, make_cube, study_of, verdict_of

NAME = "tcn_tail_floor"
LINEAR = {"model": "dilated_convolution", "options": {"kernel_size": 2}}
RECTIFIED = {**LINEAR, "residual": True, "activation": "relu"}
STUDY = study_of(
    kernels={"impulse": {"rho": [12]}, "polynomial": {"memory_length": [20]}},
    # Receptive fields of 8 and 16.
    architectures={"a": {**LINEAR, "layers": 3}, "b": {**LINEAR, "layers": 4}},
)
NONLINEAR = study_of(
    kernels={"impulse": {"rho": [12]}},
    architectures={"a": {**RECTIFIED, "layers": 3}, "b": {**RECTIFIED, "layers": 4}},
)


def cliff(m: Member) -> float:
    if m.kernel != "impulse":
        return 0.5
    return 1.001 if m.receptive_field <= m.rho else 1e-4 * m.wobble


def test_a_cliff_supports() -> None:
    verdict = expect(verdict_of(NAME, make_cube(STUDY, cliff)), SUPPORTED)
    assert verdict.effect == pytest.approx(4, abs=0.2)
    assert (verdict.runs, verdict.diverged) == (10, 0)


def test_a_lag_that_nothing_learns_decides_nothing() -> None:
    cube = make_cube(STUDY, lambda m: 1.01 * m.wobble)
    expect(verdict_of(NAME, cube), NOT_DECIDED, "nothing learned the impulse")


def test_a_run_below_its_floor_contradicts_despite_a_cliff() -> None:
    lucky = make_cube(
        STUDY, lambda m: 0.9 if (m.kernel, m.layers, m.seed) == ("impulse", 3, 1) else cliff(m)
    )
    expect(verdict_of(NAME, lucky), CONTRADICTED, "below their tail floor: 1")
    # Other kernels have a floor too.
    other = make_cube(STUDY, lambda m: 1e-6 if m.kernel == "polynomial" else cliff(m))
    expect(verdict_of(NAME, other), CONTRADICTED, "below their tail floor: 10")


def test_a_nonlinear_run_may_lie_four_standard_errors_below_its_floor() -> None:
    near = make_cube(NONLINEAR, lambda m: 0.97 if m.receptive_field <= m.rho else 1e-4 * m.wobble)
    expect(verdict_of(NAME, near), SUPPORTED)
    far = make_cube(NONLINEAR, lambda m: 0.95 if m.receptive_field <= m.rho else 1e-4 * m.wobble)
    expect(verdict_of(NAME, far), CONTRADICTED)


def test_mixed_runs_decide_nothing_and_divergence_counts() -> None:
    def either(m: Member) -> float:
        if m.kernel != "impulse":
            return cliff(m)
        good = m.receptive_field > m.rho and m.seed < 3
        return 1e-3 if good else np.inf if m.seed == 4 else 1.001

    verdict = expect(verdict_of(NAME, make_cube(STUDY, either)), NOT_DECIDED, "not lie above 1")
    assert (verdict.runs, verdict.diverged) == (10, 2)


def test_short_receptive_fields_alone_decide_nothing() -> None:
    short = study_of(
        kernels={"impulse": {"rho": [12]}}, architectures={"a": {**LINEAR, "layers": 3}}
    )
    expect(verdict_of(NAME, make_cube(short, cliff)), NOT_DECIDED, "sees the lag of an impulse")


def test_the_tail_of_an_impulse_is_all_or_nothing() -> None:
    by = {c.layers: c for c in cells(make_cube(STUDY, cliff)) if c.kernel == "impulse"}
    assert tail_energy(by[3]) == pytest.approx(1)
    assert tail_energy(by[4]) == 0
