"""The step size of a state-space model follows the input's autocorrelation (arXiv 2411.19455).

The rule was fixed on 2026-11-20, before any number of a study that decides it was seen, and is not
tuned to them. Known then: docs/findings.md, with two runs of each of two step sizes on impulses
(the larger better by a factor of 200 and more) and on airy (equal).

The paper ties the initial step size to the largest eigenvalue of the input's autocorrelation
matrix: for an input that hardly changes it grows with the length and the step must shrink as 1/T,
for white input it does not and the step may be of the order of 1/sqrt(T). Every input of mfbench
is white, so the larger step is predicted to be the better one. The step of a cell is the geometric
mean of dt_min and dt_max, and it counts as small or large by whether it lies below or above
T^(-3/4), halfway between the two. Cells are matched by everything but the step, over all kernels
of the study.
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence

import numpy as np

from mfbench.predictions.cells import Cell, count, differences_by_seed, matched, require, score
from mfbench.predictions.intervals import mean_interval
from mfbench.predictions.prediction import Prediction
from mfbench.predictions.verdict import Verdict, compare

MARGIN = 0.3  # decades: a factor of two


def is_large(cell: Cell) -> bool:
    """The initial step size is nearer to 1/sqrt(T) than to 1/T, or larger."""
    step = np.sqrt(cell.options["dt_min"] * cell.options["dt_max"])
    return bool(step > cell.length**-0.75)


def judge(cells: Sequence[Cell]) -> Verdict:
    """Judge the prediction on the cells of a study."""
    found = [c for c in cells if c.model == "s4d"]
    small = require([c for c in found if not is_large(c)], "S4D with a small initial step size")
    large = require([c for c in found if is_large(c)], "S4D with a large initial step size")
    pairs = matched(small, large, lambda c: (c.same_but("dt_min", "dt_max"), c.width, c.on))
    estimate = mean_interval(differences_by_seed(pairs, score, "the initial step size"))
    return Verdict.of(
        estimate,
        compare(estimate, MARGIN),
        effect_name="log10 error with a small initial step minus that with a large one",
        unit="decades",
        **count(c for pair in pairs for side in pair for c in side),
    )


PREDICTION = Prediction(
    title="SSM step size for white input",
    paper="Liu & Li (2024), Autocorrelation Matters: Understanding the Role of Initialization "
    "Schemes for State Space Models",
    link="https://arxiv.org/abs/2411.19455",
    where="dependence of the timescale on the sequence length, by the autocorrelation of the input",
    statement="On white input, S4D that starts with step sizes near 1/sqrt(T) or larger ends "
    "with a smaller error than S4D that starts near 1/T.",
    needs="S4D with two ranges of step sizes, one on each side of T^(-3/4), else equal",
    rule="Mean over matched tasks of log10 error, small step minus large, by seed: supported where "
    "the 90 % interval lies above 0.3 decades, contradicted where it lies below.",
    fixed=datetime.date(2026, 11, 20),
    judge=judge,
)
