"""One attention head cannot follow an oscillation (arXiv 2305.18475).

The rule was fixed on 2026-11-20, before any number of a study that decides it was seen, and is not
tuned to them. Known then: docs/findings.md, with two runs of one head on airy at M99 = 16 and 32
(.24 to .45), and two each of two and four heads (one of eight below .1).

Softmax weights are not negative, and one head has one value for each input: read out linearly,
what one layer with one head gives to the past has one sign. Lag 0 is free, because the residual
stream carries it. The best such memory function misses all lobes of the other sign, so its error
is at least the smaller of the energies of the two signs at lags from 1 on: the sign floor. A run
beats it where its error is below half of it; tasks with a floor below 0.05 are left out. Two heads
with values of opposite sign have no such floor. The argument is one for values that do not know
their position, as with rotary positions or linear biases; positions that are added to the input
(learned, sinusoidal) can give weight and value a common cause, so such models do not count. (A
restriction made by a review after the first study, whose models are all rotary.)
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence

import numpy as np

from mfbench.predictions.cells import Cell, require
from mfbench.predictions.prediction import Prediction
from mfbench.predictions.shares import cannot
from mfbench.predictions.verdict import Verdict

LEAST_FLOOR = 0.05
SHARE = 0.5  # of the floor


def sign_floor(cell: Cell) -> float:
    """Least error of a memory function of one sign beyond lag 0."""
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
        effect_name="share of runs below half of the sign floor, several heads minus one",
    )


PREDICTION = Prediction(
    title="One attention head cannot do airy",
    paper="Jiang & Li (2024), Approximation Rate of the Transformer Architecture for Sequence "
    "Modeling",
    link="https://arxiv.org/abs/2305.18475",
    where="one layer and one head: the rate is governed by a temporal coupling of softmax form; "
    "that its weights have one sign, and what follows for airy, is our consequence",
    statement="A one-layer transformer with one head does not beat the best memory function of one "
    "sign on airy; with two heads or more it can.",
    needs="one-layer transformers with rope or alibi, with one head and with more, on airy tasks "
    "with a sign floor of 0.05 or more",
    rule="Share of runs with an error below half of the sign floor. Contradicted where that of "
    "one head lies above 0.1 with its 90 % interval; supported where the difference of "
    "several heads to one lies above 0 with its interval.",
    fixed=datetime.date(2026, 11, 20),
    judge=judge,
)
