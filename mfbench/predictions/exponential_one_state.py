"""Exponential memory needs one state (arXiv 2009.07799).

The rule was fixed on 2026-11-20, before any number of a study that decides it was seen, and is not
tuned to them. Known then: docs/findings.md (state sizes from 16 on).

rho^s is the impulse response of h_t = rho h_{t-1} + x_t, so one real state is enough however long
the memory; every other kernel is not a single exponential. The effect is the number of decades by
which models with one state get below the zero predictor. 2, an error of 1 %, is the same 1 % that
defines M99 and the order n01. Where one state stays above, models of the same kind with more
states on the same tasks tell whether it was the state (they get below: contradicted) or the
training (they do not).
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence

import numpy as np

from mfbench.predictions.cells import SEEDS, Cell, count, decades, require
from mfbench.predictions.intervals import mean_interval
from mfbench.predictions.prediction import Prediction
from mfbench.predictions.verdict import CONTRADICTED, NOT_DECIDED, NotDecidedError, Verdict, compare

MARGIN = 2.0  # decades below the zero predictor


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
        raise NotDecidedError(f"{SEEDS} seeds or more must have been trained in all cells")
    estimate = mean_interval(np.array([-decades(c.seeds[s] for c in one).mean() for s in seeds]))
    verdict, reason = compare(estimate, MARGIN)
    kinds = {(c.model, c.on) for c in one}
    larger = [c for c in linear if c.state_size > 1 and (c.model, c.on) in kinds and c.seeds]
    used = list(one)
    if verdict == CONTRADICTED:
        reached = -decades(e for c in larger for e in c.seeds.values()).mean() if larger else 0.0
        if reached < MARGIN:
            verdict = NOT_DECIDED
            reason += ", but no larger model of the study gets above it: training may be the limit"
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
    where="linear RNNs are sums of exponentials, one for each unit: a single one is exact",
    statement="A linear recurrence with one real state follows exponential memory of any length to "
    "an error below 1 %.",
    needs="linear recurrences with one real state on exponential memory, and larger ones to "
    "compare",
    rule="-log10 error with one state, by seed: supported where the 90 % interval lies above 2 "
    "decades, contradicted where it lies below and the mean of larger models lies above.",
    fixed=datetime.date(2026, 11, 20),
    judge=judge,
)
