"""Reparameterising the recurrent weight lifts the curse of memory (arXiv 2311.14495).

The rule was fixed on 2026-11-20, before any result that decides it was seen. Its author then knew
nothing about these models. (The author of the architecture had tried two seeds: 'direct' diverged
at learning rates of 0.3 and above, the others did not.)

The claim is about approximation by models that stay stable under small perturbations. The rule
tests it on trained models, each at the learning rate that validation selects. Matched cells differ
only in the parameterisation. A diverged run counts as an error of 10.
"""

from __future__ import annotations

from collections.abc import Sequence

from mfbench.predictions.cells import Cell, require, score
from mfbench.predictions.differences import judge_difference, matched
from mfbench.predictions.prediction import Prediction
from mfbench.predictions.verdict import Verdict

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
    return judge_difference(
        matched(direct, stable, lambda c: (c.same_but("parameterisation"), c.width, c.on)),
        values=score,
        margin=MARGIN,
        differ="the parameterisation",
        effect_name="log10 error, direct minus stable parameterisations",
    )


PREDICTION = Prediction(
    title="Stable reparameterisation and long memory",
    paper="Wang & Li (2024), StableSSM: Alleviating the Curse of Memory in State-space Models "
    "through Stable Reparameterization",
    link="https://arxiv.org/abs/2311.14495",
    where="without reparameterisation, only exponentially decaying memory can be stably "
    "approximated; with a stable parameterisation, any decaying memory can",
    statement="On polynomial memory, a state-space model with a stable parameterisation of its "
    "recurrent weight (exp, softplus, best) reaches a smaller error than one that trains the "
    "weight directly.",
    needs="stable_ssm with parameterisation direct and with exp, softplus or best, otherwise "
    "equal, on polynomial memory",
    rule="log10 error, direct minus stable, averaged over matched tasks, by seed: supported if the "
    "90 % interval lies above 0.3 decades.",
    fixed="2026-11-20",
    judge=judge,
)
