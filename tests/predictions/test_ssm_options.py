"""Verdicts on synthetic errors of state-space models that differ in one option."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from mfbench.predictions.verdict import CONTRADICTED, NO_EFFECT, NOT_DECIDED, SUPPORTED, Verdict
from mfbench.study.study import Study
from tests.predictions.cubes import Member, expect, make_cube, study_of, verdict_of


@dataclass(frozen=True)
class Rule:
    """A rule that predicts a larger error of some models: how to test it."""

    name: str
    model: dict[str, Any]
    kernels: dict[str, Any]
    values: list[dict[str, Any]]  # of the options
    worse: Callable[[dict[str, Any]], bool]  # whether they are predicted to be worse
    missing: list[tuple[int, str]]  # one value alone, and what the rule then lacks

    def study(self, *values: dict[str, Any], **kernels: Any) -> Study:
        """A study of one model for each of some values."""
        return study_of(
            kernels=kernels or self.kernels,
            architectures={
                f"model-{i}": {**self.model, "options": {"state": 4, **options}}
                for i, options in enumerate(values or self.values)
            },
        )

    def judge(self, error: Callable[[Member], float], study: Study | None = None) -> Verdict:
        return verdict_of(self.name, make_cube(study or self.study(), error))

    def errors(self, ratio: float) -> Callable[[Member], float]:
        """Errors that are larger by a factor for the models that are predicted to be worse."""
        return lambda m: 0.01 * m.wobble * (ratio if self.worse(dict(m.options)) else 1)


RULES = [
    Rule(
        name="ssm_initialisation",
        model={"model": "s4d", "widths": [2]},
        kernels={"impulse": {"rho": [4, 8]}},
        values=[{"init": init} for init in ("real", "lin", "inv", "legs")],
        worse=lambda o: o["init"] == "real",
        missing=[(0, "complex poles"), (1, "real poles")],
    ),
    Rule(
        name="ssm_step_size",
        model={"model": "s4d", "widths": [2]},
        kernels={"impulse": {"rho": [4, 8]}, "airy": {"memory_length": [8]}},
        # Geometric means of 0.01 and 0.22: one on each side of 64^(-3/4) = 0.044.
        values=[{"dt_min": 0.001, "dt_max": 0.1}, {"dt_min": 0.05, "dt_max": 1.0}],
        worse=lambda o: o["dt_max"] < 1,
        missing=[(0, "large initial"), (1, "small initial")],
    ),
    Rule(
        name="stable_reparameterisation",
        model={"model": "stable_ssm"},
        kernels={"polynomial": {"memory_length": [8, 16]}},
        values=[{"parameterisation": p} for p in ("direct", "exp", "best")],
        worse=lambda o: o["parameterisation"] == "direct",
        missing=[(0, "exp, softplus, best"), (1, "direct")],
    ),
]
STABLE = RULES[-1]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_the_error_of_those_predicted_to_be_worse_decides(rule: Rule) -> None:
    verdict = expect(rule.judge(rule.errors(10)), SUPPORTED)
    assert verdict.effect == pytest.approx(1)
    tasks = sum(len(rule.study().levels(kernel)) for kernel in rule.kernels)
    assert verdict.runs == len(rule.values) * tasks * 5
    expect(rule.judge(rule.errors(1)), NO_EFFECT)
    expect(rule.judge(rule.errors(0.1)), CONTRADICTED)
    differ = rule.judge(lambda m: rule.errors(100 if m.seed < 2 else 0.5)(m))
    expect(differ, NOT_DECIDED, "contains 0 and 0.3")
    for value, lacks in rule.missing:
        alone = rule.study(rule.values[value])
        expect(rule.judge(rule.errors(1), alone), NOT_DECIDED, lacks)


def test_diverged_runs_count_as_an_error_of_ten() -> None:
    worse = STABLE.worse
    verdict = STABLE.judge(lambda m: np.inf if worse(dict(m.options)) else 0.01)
    assert expect(verdict, SUPPORTED).effect == pytest.approx(3)
    assert verdict.diverged == 10


def test_a_rule_on_polynomial_memory_needs_it() -> None:
    impulse = STABLE.study(*STABLE.values, impulse={"memory_length": [8, 16]})
    expect(STABLE.judge(STABLE.errors(9), impulse), NOT_DECIDED, "polynomial")


def test_models_with_different_training_are_not_compared() -> None:
    frozen = {"optimiser": {"ssm_learning_rate_factor": 0}}
    apart = study_of(
        kernels=STABLE.kernels,
        architectures={
            name: {**STABLE.model, "options": {"state": 4, "parameterisation": p}, "training": t}
            for name, p, t in (("plain", "direct", {}), ("frozen", "best", frozen))
        },
    )
    expect(STABLE.judge(STABLE.errors(10), apart), NOT_DECIDED, "differ only in")
