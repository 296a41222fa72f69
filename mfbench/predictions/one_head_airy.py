"""One attention head cannot follow an oscillation (arXiv 2305.18475).

The rule was fixed on 2026-11-20, before any result that decides it was seen. Known then:
docs/findings.md, with two runs of one head on airy at M99 = 16 and 32 (errors 0.24 to 0.45), and
two runs each of two and four heads (one of the eight errors below 0.1).

Softmax weights are nonnegative, and one head computes one value per input. With a linear readout,
the memory function of one layer with one head therefore has one sign at all past lags; lag 0 is
free, because the residual stream carries it. Such a function misses all lobes of the other sign.
Its error is at least the sign floor: the smaller of the energies of the two signs at lags of 1 and
more. A run beats the floor if its error is below half of it; tasks with a floor below 0.05 are left
out. Two heads with values of opposite sign have no sign floor.

The argument needs values that do not depend on position, as with rotary positions or linear biases.
Positions that are added to the input (learned, sinusoidal) enter weights and values alike, so
models with them are left out. (A review added this restriction after the first study, in which all
models are rotary.)
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mfbench.predictions.cells import Cell, require
from mfbench.predictions.prediction import Prediction
from mfbench.predictions.shares import cannot
from mfbench.predictions.verdict import Verdict

LEAST_FLOOR = 0.05
SHARE = 0.5  # of the floor
MARGIN = 0.25  # of the seeds: low, because training often misses the solution with several heads


def sign_floor(cell: Cell) -> float:
    """Smallest error of a memory function that has one sign at all lags except 0."""
    past = cell.k[1:]
    return float(min((np.maximum(past, 0) ** 2).sum(), (np.minimum(past, 0) ** 2).sum()))


def judge(cells: Sequence[Cell]) -> Verdict:
    """Judge the prediction on the cells of a study."""
    found = [
        c
        for c in cells
        if c.model == "transformer"
        and c.layers == 1
        and c.options["positions"] in ("rope", "alibi")
        and c.kernel == "airy"
        and sign_floor(c) >= LEAST_FLOOR
    ]
    one = require(
        [c for c in found if c.options["heads"] == 1],
        "one-layer transformer with one head and rope or alibi on an airy task that oscillates",
    )
    more = require(
        [c for c in found if c.options["heads"] > 1 and c.on in {o.on for o in one}],
        "one-layer transformer with two or more heads on the same airy task",
    )
    return cannot(
        more,
        [c for c in one if c.on in {m.on for m in more}],
        succeeds=lambda cell, error: error < SHARE * sign_floor(cell),
        margin=MARGIN,
        effect_name="share of seeds with an error below half of the sign floor, several heads "
        "minus one",
    )


PREDICTION = Prediction(
    title="One attention head cannot do airy",
    paper="Jiang & Li (2024), Approximation Rate of the Transformer Architecture for Sequence "
    "Modeling",
    link="https://arxiv.org/abs/2305.18475",
    where="one layer and one head: a temporal coupling of softmax form governs the rate; the "
    "conclusions that its weights have one sign and that airy is hard are ours",
    statement="On airy, a one-layer transformer with one head does not beat the best memory "
    "function of one sign; with two or more heads it can.",
    needs="one-layer transformers with rope or alibi, with one head and with more, on airy tasks "
    "with a sign floor of at least 0.05",
    rule="Share of seeds with an error below half of the sign floor. Contradicted if the 90 % "
    "interval of the share with one head lies above 0.1; else supported if the 90 % interval "
    "of the difference (several heads minus one) lies above 0.25.",
    fixed="2026-11-20",
    judge=judge,
)
