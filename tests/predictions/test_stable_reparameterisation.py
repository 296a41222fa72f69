"""Verdicts on synthetic errors for direct and stable parameterisations."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from mfbench.predictions.verdict import CONTRADICTED, NO_EFFECT, NOT_DECIDED, SUPPORTED
from tests.predictions.cubes import Member, expect, make_cube, study_of, verdict_of

NAME = "stable_reparameterisation"


def study(*parameterisations: str, kernel: str = "polynomial") -> Any:
    return study_of(
        kernels={kernel: {"memory_length": [8, 16]}},
        architectures={
            f"model-{i}": {"model": "stable_ssm", "options": {"state": 4, "parameterisation": p}}
            for i, p in enumerate(parameterisations)
        },
    )


BOTH = study("direct", "exp", "best")


def errors(ratio: float) -> Any:
    return lambda m: 0.01 * m.wobble * (ratio if m.options["parameterisation"] == "direct" else 1)


def test_a_larger_error_of_the_direct_parameterisation_supports() -> None:
    verdict = expect(verdict_of(NAME, make_cube(BOTH, errors(10))), SUPPORTED)
    assert verdict.effect == pytest.approx(1)
    assert verdict.runs == 3 * 2 * 5


def test_equal_errors_are_no_effect_and_a_smaller_one_contradicts() -> None:
    expect(verdict_of(NAME, make_cube(BOTH, errors(1))), NO_EFFECT)
    expect(verdict_of(NAME, make_cube(BOTH, errors(0.1))), CONTRADICTED)


def test_diverged_runs_count_as_an_error_of_ten() -> None:
    def diverging(m: Member) -> float:
        return np.inf if m.options["parameterisation"] == "direct" else 0.01

    verdict = expect(verdict_of(NAME, make_cube(BOTH, diverging)), SUPPORTED)
    assert verdict.effect == pytest.approx(3)
    assert verdict.diverged == 10


def test_seeds_that_differ_decide_nothing() -> None:
    cube = make_cube(BOTH, lambda m: errors(100 if m.seed < 2 else 0.5)(m))
    expect(verdict_of(NAME, cube), NOT_DECIDED, "contains 0 and 0.3")


def test_the_reason_names_missing_models() -> None:
    expect(
        verdict_of(NAME, make_cube(study("direct"), errors(1))), NOT_DECIDED, "exp, softplus, best"
    )
    expect(verdict_of(NAME, make_cube(study("exp"), errors(1))), NOT_DECIDED, "direct")
    impulse = study("direct", "exp", kernel="impulse")
    expect(verdict_of(NAME, make_cube(impulse, errors(9))), NOT_DECIDED, "polynomial")


def test_models_with_different_training_are_not_compared() -> None:
    def entry(parameterisation: str, **training: Any) -> dict[str, Any]:
        options = {"state": 4, "parameterisation": parameterisation}
        return {"model": "stable_ssm", "options": options, "training": training}

    apart = study_of(
        kernels={"polynomial": {"memory_length": [8, 16]}},
        architectures={
            "plain": entry("direct"),
            "frozen": entry("best", optimiser={"ssm_learning_rate_factor": 0}),
        },
    )
    expect(verdict_of(NAME, make_cube(apart, errors(10))), NOT_DECIDED, "differ only in")
