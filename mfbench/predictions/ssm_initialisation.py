"""Complex initial poles train a state-space model better (arXiv 2411.19455, 2206.11893).

The rule was fixed on 2026-11-20, before any result that decides it was seen. Known then: nothing
about initialisations other than S4D-Lin.

S4D-Real starts with poles -(n + 1), the others (Lin, Inv, LegS) with a real part of -1/2 and
different imaginary parts. All poles are trained, and all variants have the same number of
parameters. The first paper says that the imaginary parts determine the conditioning of the training
problem; the second shows it in experiments. Matched cells differ only in the initialisation; all
kernels of the study count.
"""

from __future__ import annotations

from collections.abc import Sequence

from mfbench.predictions.cells import Cell, require, score
from mfbench.predictions.differences import judge_difference, matched
from mfbench.predictions.prediction import Prediction
from mfbench.predictions.verdict import Verdict

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
    return judge_difference(
        matched(real, complex_, lambda c: (c.same_but("init"), c.width, c.on)),
        values=score,
        margin=MARGIN,
        differ="the initial poles",
        effect_name="log10 error, real minus complex initial poles",
    )


PREDICTION = Prediction(
    title="SSM initialisation: complex against real poles",
    paper="Liu & Li (2024), Autocorrelation Matters: Understanding the Role of Initialization "
    "Schemes for State Space Models; Gu, Gupta, Goel & Re (2022), arXiv 2206.11893",
    link="https://arxiv.org/abs/2411.19455",
    where="the imaginary part of the eigenvalues determines the conditioning of the training "
    "problem; 2206.11893: ablation of the initialisations",
    statement="S4D reaches a smaller error with complex initial poles than with real ones.",
    needs="S4D with init real and with another init, otherwise equal",
    rule="log10 error, real minus the mean of the others, averaged over matched tasks, by seed: "
    "supported if the 90 % interval lies above 0.3 decades.",
    fixed="2026-11-20",
    judge=judge,
)
