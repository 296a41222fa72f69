"""Complex poles start a state-space model better than real ones (arXiv 2411.19455, 2206.11893).

The rule was fixed on 2026-11-20, before any number of a study that decides it was seen, and is not
tuned to them. Known then: nothing about other initialisations than S4D-Lin.

S4D-Real starts with poles -(n + 1), the others (Lin, Inv, LegS) at -1/2 plus frequencies of their
own; all can move off their start, and the number of parameters is the same. The first paper says
that the imaginary parts decide how well the problem of training is conditioned, the second shows
it in practice. Cells are matched by everything but the initialisation, over all kernels of the
study.
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence

from mfbench.predictions.cells import Cell, count, differences_by_seed, matched, require, score
from mfbench.predictions.intervals import mean_interval
from mfbench.predictions.prediction import Prediction
from mfbench.predictions.verdict import Verdict, compare

MARGIN = 0.3  # decades: a factor of two


def judge(cells: Sequence[Cell]) -> Verdict:
    """Judge the prediction on the cells of a study."""
    found = [c for c in cells if c.model == "s4d"]
    real = require(
        [c for c in found if c.options["init"] == "real"], "S4D that starts with real poles"
    )
    complex_ = require(
        [c for c in found if c.options["init"] != "real"], "S4D that starts with complex poles"
    )
    pairs = matched(real, complex_, lambda c: (c.same_but("init"), c.width, c.on))
    estimate = mean_interval(differences_by_seed(pairs, score, "the initial poles"))
    return Verdict.of(
        estimate,
        compare(estimate, MARGIN),
        effect_name="log10 error with real initial poles minus that with complex ones",
        unit="decades",
        **count(c for pair in pairs for side in pair for c in side),
    )


PREDICTION = Prediction(
    title="SSM initialisation: complex against real poles",
    paper="Liu & Li (2024), Autocorrelation Matters: Understanding the Role of Initialization "
    "Schemes for State Space Models; Gu, Gupta, Goel & Re (2022), arXiv 2206.11893",
    link="https://arxiv.org/abs/2411.19455",
    where="the imaginary part of the eigenvalues determines the conditioning of the training "
    "problem; 2206.11893: ablation of the initialisations",
    statement="S4D that starts with complex poles ends with a smaller error than S4D that starts "
    "with real ones.",
    needs="S4D with init real and with another init, else equal",
    rule="Mean over matched tasks of log10 error, real minus the mean of the others, by seed: "
    "supported where the 90 % interval lies above 0.3 decades, contradicted where it lies below.",
    fixed=datetime.date(2026, 11, 20),
    judge=judge,
)
