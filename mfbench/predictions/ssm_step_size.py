"""The step size of a state-space model follows the input's autocorrelation (arXiv 2411.19455).

The rule was fixed on 2026-11-20, before any result that decides it was seen. Known then:
docs/findings.md, with two runs each of two step sizes on impulses (the larger step better by a
factor of more than 200) and on airy (equal).

The paper ties the initial step size to the largest eigenvalue of the input's autocorrelation
matrix. For an input that hardly changes, this eigenvalue grows with the length T and the step must
shrink as 1/T; for white input it does not grow and the step may be of the order of 1/sqrt(T). All
inputs of mfbench are white, so the larger step should be better. A cell's step is the geometric
mean of dt_min and dt_max. It counts as large above T^(-3/4), halfway between the two on a log
scale, and as small otherwise. Matched cells differ only in the step; all kernels of the study
count.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mfbench.predictions.cells import Cell, require, score
from mfbench.predictions.differences import judge_difference, matched
from mfbench.predictions.prediction import Prediction
from mfbench.predictions.verdict import Verdict

MARGIN = 0.3  # decades: a factor of two


def is_large(cell: Cell) -> bool:
    """Whether the initial step size is nearer to 1/sqrt(T) than to 1/T, on a log scale."""
    step = np.sqrt(cell.options["dt_min"] * cell.options["dt_max"])
    return bool(step > cell.length**-0.75)


def judge(cells: Sequence[Cell]) -> Verdict:
    """Judge the prediction on the cells of a study."""
    found = [c for c in cells if c.model == "s4d"]
    small = require([c for c in found if not is_large(c)], "S4D with a small initial step size")
    large = require([c for c in found if is_large(c)], "S4D with a large initial step size")
    return judge_difference(
        matched(small, large, lambda c: (c.same_but("dt_min", "dt_max"), c.width, c.on)),
        values=score,
        margin=MARGIN,
        differ="the initial step size",
        effect_name="log10 error, small minus large initial step",
    )


PREDICTION = Prediction(
    title="SSM step size for white input",
    paper="Liu & Li (2024), Autocorrelation Matters: Understanding the Role of Initialization "
    "Schemes for State Space Models",
    link="https://arxiv.org/abs/2411.19455",
    where="how the timescale should depend on the sequence length, given the input's "
    "autocorrelation",
    statement="On white input, S4D reaches a smaller error with initial step sizes near 1/sqrt(T) "
    "or larger than with step sizes near 1/T.",
    needs="S4D with two ranges of step sizes, one on each side of T^(-3/4), otherwise equal",
    rule="log10 error, small minus large step, averaged over matched tasks, by seed: supported if "
    "the 90 % interval lies above 0.3 decades.",
    fixed="2026-11-20",
    judge=judge,
)
