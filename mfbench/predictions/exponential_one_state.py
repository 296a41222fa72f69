"""Exponential memory needs one state (arXiv 2009.07799).

The rule was fixed on 2026-11-20, before any result that decides it was seen. Known then:
docs/findings.md (state sizes of 16 and more).

rho^s is the impulse response of h_t = rho h_{t-1} + x_t, so one real state suffices at any memory
length. The effect is the number of decades by which models with one state improve on predicting
zero, at the worst memory length of each seed. The margin of 2 decades is an error of 1 %, as in the
definitions of M99 and of the order n01. If models with one state miss it, larger models of the same
kind decide on the same tasks: if they reach it at their worst length, the state was too small
(contradicted); if not, training may be the limit (not decided).
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np

from mfbench.cube.intervals import Interval, mean_interval
from mfbench.predictions.cells import SEEDS, Cell, count, require, score
from mfbench.predictions.prediction import Prediction
from mfbench.predictions.verdict import (
    CONTRADICTED,
    SUPPORTED,
    Answer,
    NotDecidedError,
    Verdict,
    decide,
)

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
    estimate = worst_length(one)
    tasks = {(c.model, c.on) for c in one}
    larger = [c for c in linear if c.state_size > 1 and (c.model, c.on) in tasks and c.seeds]
    used = list(one)
    whole = "the whole interval lies"
    answers: list[tuple[Answer, float, str]] = [
        (SUPPORTED, estimate.at_most(MARGIN), f"{whole} above {MARGIN:g}")
    ]
    otherwise = f"the interval contains {MARGIN:g}: more seeds would narrow it"
    if estimate.high < MARGIN:
        below = f"{whole} below {MARGIN:g}"
        otherwise = f"{below}, but larger models do not reach it either: training may be the limit"
        if {(c.model, c.on) for c in larger} == tasks:
            used += larger
            reached = worst_length(larger)
            p = max(1 - estimate.at_most(MARGIN), reached.at_most(MARGIN))
            reason = f"{below}, and larger models reach {reached.value:.2g}"
            answers.append((CONTRADICTED, p, reason))
    decision = decide(*answers, otherwise=otherwise)
    return Verdict.of(
        estimate,
        decision,
        effect_name="-log10 error with one state at the worst length",
        unit="decades",
        **count(used),
    )


def worst_length(cells: Sequence[Cell]) -> Interval:
    """-log10 error at the worst memory length of each seed, over seeds.

    Models on one task are averaged.

    Raises
    ------
    NotDecidedError
        Too few common seeds.
    """
    by_task: dict[Hashable, list[dict[int, float]]] = {}
    for c in cells:
        by_task.setdefault(c.on, []).append(score(c))
    seeds = set.intersection(*(set(v) for same in by_task.values() for v in same))
    if len(seeds) < SEEDS:
        raise NotDecidedError(f"needs at least {SEEDS} seeds shared by all cells")
    return mean_interval(
        -np.array([max(np.mean([v[s] for v in same]) for same in by_task.values()) for s in seeds])
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
    rule="-log10 error with one state at the worst length, by seed: supported if the 90 % interval "
    "lies above 2 decades; contradicted if it lies below and that of larger models lies above.",
    fixed="2026-11-20",
    judge=judge,
)
