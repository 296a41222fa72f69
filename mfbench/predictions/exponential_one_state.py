"""Exponential memory needs one state (arXiv 2009.07799).

The rule was fixed on 2026-11-20, before any result that decides it was seen. Known then:
docs/findings.md (state sizes of 16 and more).

rho^s is the impulse response of h_t = rho h_{t-1} + x_t, so one real state suffices at any memory
length. The effect is the number of decades by which models with one state improve on predicting
zero. The margin of 2, an error of 1 %, is the same 1 % that defines M99 and the order n01. If
models with one state miss it, larger models of the same kind on the same tasks decide: if they
reach it, the state was too small (contradicted); if not, training may be the limit (not decided).
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence

import numpy as np

from mfbench.predictions.cells import SEEDS, Cell, count, decades, require
from mfbench.predictions.intervals import mean_interval
from mfbench.predictions.prediction import Prediction
from mfbench.predictions.verdict import CONTRADICTED, NOT_DECIDED, NotDecidedError, Verdict, compare

MARGIN = 2.0  # decades below the error of predicting zero


def judge(cells: Sequence[Cell]) -> Verdict:
    """Judge the prediction on the cells of a study."""
    linear = [
        c
        for c in cells
        if c.linear and c.kernel == "exponential" and not np.isfinite(c.receptive_field)
    ]
    one = require(
        [c for c in linear if c.state_size == 1],
        "linear recurrence with one real state on exponential memory",
    )
    seeds = sorted(set.intersection(*(set(c.seeds) for c in one)))
    if len(seeds) < SEEDS:
        raise NotDecidedError(f"needs at least {SEEDS} seeds shared by all cells")
    estimate = mean_interval(np.array([-decades(c.seeds[s] for c in one).mean() for s in seeds]))
    verdict, reason = compare(estimate, MARGIN)
    kinds = {(c.model, c.on) for c in one}
    larger = [c for c in linear if c.state_size > 1 and (c.model, c.on) in kinds and c.seeds]
    used = list(one)
    if verdict == CONTRADICTED:
        reached = -decades(e for c in larger for e in c.seeds.values()).mean() if larger else 0.0
        if reached < MARGIN:
            verdict = NOT_DECIDED
            reason += ", but larger models do not get above it either: training may be the limit"
        else:
            used += larger
            reason += f", and larger models reach {reached:.2g}"
    return Verdict.of(
        estimate,
        (verdict, reason),
        effect_name="-log10 error with one state",
        unit="decades",
        **count(used),
    )


PREDICTION = Prediction(
    title="Exponential needs one state",
    paper="Li, Han, E & Li (2021), On the Curse of Memory in Recurrent Neural Networks: "
    "Approximation and Optimization Analysis",
    link="https://arxiv.org/abs/2009.07799",
    where="the memory of a linear RNN is a sum of exponentials, one per unit, so one unit "
    "represents an exponential exactly",
    statement="A linear recurrence with one real state learns exponential memory of any length "
    "to an error below 1 %.",
    needs="linear recurrences with one real state on exponential memory, and larger ones for "
    "comparison",
    rule="-log10 error with one state, by seed: supported if the 90 % interval lies above 2 "
    "decades; contradicted if it lies below and the mean of larger models lies above.",
    fixed=datetime.date(2026, 11, 20),
    judge=judge,
)
