"""A temporally rescaled loss helps late lags (arXiv 2307.11462).

The rule was fixed on 2026-11-20, before any result that decides it was seen. Known then: nothing
about this loss.

Lag s enters the loss only at steps t >= s. Its weight is the share of the squared time weights at
these steps. The share falls with s, but more slowly if the time weights grow with t
(training.loss.time_power > 0). The rule compares cells with the plain and the rescaled loss that
are otherwise equal, by the error of the learned memory function h at late lags: the sum of
w_s (k_s - h_s)^2 over s >= M99 / 2. The study must score from step 0, because all lags up to
task.scored_from have the same weight under any loss.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mfbench.cube.intervals import decades
from mfbench.predictions.cells import Cell, require
from mfbench.predictions.differences import judge_difference, matched
from mfbench.predictions.prediction import Prediction
from mfbench.predictions.verdict import Verdict

MARGIN = 0.1  # decades: a factor of 1.26


def time_power(cell: Cell) -> float:
    """Power of the time weights of the loss; 0 is the plain loss."""
    return float(cell.training.get("loss", {}).get("time_power", 0.0))


def late_error(cell: Cell) -> dict[int, float]:
    """log10 of the error of the learned memory function from lag M99 / 2 on, by seed."""
    roots = np.sqrt(cell.data.weights.values)
    late = slice(cell.memory_length // 2, None)
    ended = cell.per_seed("learned_memory_function")
    errors = {
        seed: float(((cell.k - roots * ended[seed])[late] ** 2).sum()) if seed in ended else np.inf
        for seed in cell.seeds
    }
    return dict(zip(errors, decades(errors.values()), strict=True))


def judge(cells: Sequence[Cell]) -> Verdict:
    """Judge the prediction on the cells of a study."""
    found = [c for c in cells if int(c.task["scored_from"]) == 0]
    rescaled = require(
        [c for c in found if time_power(c) > 0],
        "cell with training.loss.time_power > 0 and task.scored_from = 0",
    )
    plain = require(
        [c for c in found if time_power(c) == 0],
        "cell with the plain loss and task.scored_from = 0",
    )
    return judge_difference(
        matched(plain, rescaled, lambda c: (c.same_but("training.loss"), c.width, c.on)),
        values=late_error,
        margin=MARGIN,
        differ="the training loss",
        effect_name="log10 error at lags of M99/2 and more, plain loss minus rescaled",
    )


PREDICTION = Prediction(
    title="Rescaled loss helps late lags",
    paper="Wang & Yan (2023), Improve Long-term Memory Learning Through Rescaling the Error "
    "Temporally",
    link="https://arxiv.org/abs/2307.11462",
    where="bias of positively weighted errors towards short-term memory, and the rescaled error",
    statement="A loss whose weights grow over time leads to a smaller error of the learned memory "
    "function at late lags than the plain squared error.",
    needs="a study that scores from step 0, with cells that differ only in "
    "training.loss.time_power, zero and positive",
    rule="log10 error of the learned memory function at lags of M99/2 and more, plain minus "
    "rescaled, averaged over matched cells, by seed: supported if the 90 % interval lies above 0.1 "
    "decades.",
    fixed="2026-11-20",
    judge=judge,
)
