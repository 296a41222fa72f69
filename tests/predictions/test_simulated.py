"""All rules on simulated studies: rarely wrong, mostly decided at twice the margin."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.verdicts import NULLS, RULES, STUDIES, Simulated, simulated, wrong
from benchmarks.verdicts import simulate as draw
from mfbench.predictions.catalogue import prediction, predictions
from mfbench.predictions.cells import cells
from mfbench.predictions.scoreboard import judge, judge_predictions
from mfbench.predictions.verdict import NOT_DECIDED, SUPPORTED
from mfbench.study.study import read_study
from tests.predictions.cubes import Member, make_cube, study_of

REPETITIONS = 5


def test_every_rule_is_simulated() -> None:
    assert set(RULES) == set(predictions())


@pytest.mark.parametrize("name", predictions())
def test_a_rule_is_rarely_wrong_and_decides_at_twice_its_margin(
    name: str, rng: np.random.Generator
) -> None:
    nulls = [null for null in NULLS if null not in RULES[name].excluded]
    false = [wrong(draw(name, rng, null), null) for null in nulls for _ in range(REPETITIONS)]
    assert sum(false) <= 9  # more come with a probability below 0.001 if 10 % of 30 are false
    margin = RULES[name].margin
    found = [draw(name, rng, effect=2 * margin).verdict for _ in range(REPETITIONS)]
    assert found.count(SUPPORTED) >= 2  # fewer: 0.007 at a power of 0.8


STUDY = study_of(
    kernels={k: {"memory_length": [4, 8]} for k in ("polynomial", "exponential")},
    architectures={
        "direct": {"model": "stable_ssm", "options": {"parameterisation": "direct"}},
        "best": {"model": "stable_ssm", "options": {"parameterisation": "best"}},
        "rnn": {},
        "tcn": {"model": "dilated_convolution", "layers": 3, "options": {"kernel_size": 2}},
    },
)


def test_a_simulated_study_is_judged_as_its_cube() -> None:
    cube = make_cube(STUDY, lambda m: 0.01 * m.wobble * (3 if m.name == "direct" else 1))
    real = cells(cube)
    drawn = [simulated(c, c.seeds) for c in real]
    rule = prediction("stable_reparameterisation")
    assert judge(rule, real) == judge(rule, drawn)
    assert judge(rule, real).verdict == SUPPORTED
    assert all(isinstance(c, Simulated) for c in drawn)


@pytest.mark.parametrize("study", sorted({rule.study for rule in RULES.values()}))
def test_a_study_in_which_nothing_learned_decides_nothing(study: str) -> None:
    def error(m: Member) -> float:
        return 1 + 0.01 * abs(np.sin(37 * m.seed + m.rho))

    cube = make_cube(
        read_study(STUDIES / f"{study}.yaml"), error, perturbed=lambda m, beta: error(m) + beta
    )
    assert set(judge_predictions(cube).verdict) == {NOT_DECIDED}


@pytest.mark.parametrize(
    "name",
    [
        "relative_mse",
        "relative_mse_standard_error",
        "validation_error",
        "learned_memory_function",
        "perturbation_error",
        "selected_learning_rate",
    ],
)
def test_no_number_in_one_cell_never_ends_the_scoreboard(name: str) -> None:
    cube = make_cube(STUDY, lambda m: 0.01 * m.wobble, perturbed=lambda m, beta: 0.01 + beta)
    cube[name][{"kernel": 0, "level": 0}] = np.nan
    assert len(judge_predictions(cube)) == len(predictions())
