"""Reparameterising the recurrent weight lifts the curse of memory (arXiv 2311.14495).

The rule was fixed on 2026-11-20, before any number of a study that decides it was seen, and is not
tuned to them. Known then to the author of the rule: nothing about these models. (The author of the
architecture had tried it out with two seeds: 'direct' diverged from 0.3 on, the others did not.)

The claim is about what can be approximated while the model stays stable under small disturbances;
here it is put to trained models, at the learning rate that validation selects for each. Cells are
matched by everything but the parameterisation. A run that diverged counts as an error of 10.
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence

from mfbench.predictions.cells import Cell, count, differences_by_seed, matched, require, score
from mfbench.predictions.intervals import mean_interval
from mfbench.predictions.prediction import Prediction
from mfbench.predictions.verdict import Verdict, compare

MARGIN = 0.3  # decades: a factor of two
STABLE = ("exp", "softplus", "best")


def judge(cells: Sequence[Cell]) -> Verdict:
    """Judge the prediction on the cells of a study."""
    found = [c for c in cells if c.model == "stable_ssm" and c.kernel == "polynomial"]
    direct = require(
        [c for c in found if c.options["parameterisation"] == "direct"],
        "state-space model with parameterisation direct on polynomial memory",
    )
    stable = require(
        [c for c in found if c.options["parameterisation"] in STABLE],
        f"state-space model with parameterisation {', '.join(STABLE)} on polynomial memory",
    )
    pairs = matched(direct, stable, lambda c: (c.same_but("parameterisation"), c.width, c.on))
    differences = differences_by_seed(pairs, score, "the parameterisation")
    estimate = mean_interval(differences)
    return Verdict.of(
        estimate,
        compare(estimate, MARGIN),
        effect_name="log10 error of the direct parameterisation minus that of the stable ones",
        unit="decades",
        **count(c for pair in pairs for side in pair for c in side),
    )


PREDICTION = Prediction(
    title="Stable reparameterisation and long memory",
    paper="Wang & Li (2024), StableSSM: Alleviating the Curse of Memory in State-space Models "
    "through Stable Reparameterization",
    link="https://arxiv.org/abs/2311.14495",
    where="without reparameterisation what is stably approximated decays exponentially; with a "
    "stable one any decaying memory can be",
    statement="On polynomial memory a state-space model with a stable parameterisation of its "
    "recurrent weight (exp, softplus, best) has a smaller error than one with the weight itself.",
    needs="stable_ssm with parameterisation direct and with exp, softplus or best, else equal, on "
    "polynomial memory",
    rule="Mean over matched tasks of log10 error, direct minus stable, by seed: supported where "
    "the 90 % interval lies above 0.3 decades, contradicted where it lies below.",
    fixed=datetime.date(2026, 11, 20),
    judge=judge,
)
