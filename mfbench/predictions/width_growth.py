"""Curse of memory: the width for a fixed error grows for polynomial memory only (arXiv 2009.07799).

This is the second rule. It was fixed on 2026-11-27, after the result of the first had been seen,
and is judged on seeds that were trained later. The first rule read the state size that reaches an
error of 0.01 off a curve. It said 'supported', by 0.30 doublings [0.30, 0.31], but all of this came
from interpolating between one state and two.

The state size that a fixed error needs is the smallest size in the study that reaches it; nothing
is interpolated. (Errors are made monotone by a running minimum, because a larger model can do
whatever a smaller one can.) Growth is log2 of the ratio of this size at the longest memory to that
at the shortest, averaged over fixed errors on a log scale. Above the error of one state at the
longest polynomial, one state is always enough; below the largest error of the largest model on the
four tasks, no size is enough. The fixed errors lie between these two. If they need no size beyond
the second, or the largest model has not learned all tasks, the run is censored. If half of the runs
are censored, the study decides nothing. The effect is growth for polynomial minus growth for
exponential memory: costs of training at longer memory affect both and cancel.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from mfbench.cube.intervals import mean_interval
from mfbench.predictions.cells import LEARNED, SEEDS, Cell, count, require, score
from mfbench.predictions.prediction import Prediction
from mfbench.predictions.verdict import NotDecidedError, Verdict, compare

MARGIN = 0.25  # doublings of the state
SIZES, LEVELS = 3, 3  # minimum number of state sizes and memory lengths
_ERRORS = 100  # fixed errors to average over


def growth(sizes: Sequence[float], log_errors: NDArray[np.float64]) -> float:
    """Doublings of the needed state, polynomial minus exponential; NaN if censored.

    Parameters
    ----------
    sizes : sequence of float
        State sizes, increasing from 1.
    log_errors : (4, len(sizes)) ndarray
        log10 errors on the longest and shortest polynomial and the longest and shortest
        exponential.
    """
    best = np.minimum.accumulate(log_errors, axis=1)
    lowest, highest = best[:, -1].max(), best[0, 0]
    if not lowest < min(best[0, 1], np.log10(LEARNED)):
        return float("nan")
    edges = np.linspace(lowest, highest, _ERRORS + 1)
    fixed = (edges[1:] + edges[:-1]) / 2
    needed = np.argmax(best[:, :, None] <= fixed, axis=1)
    doublings = np.log2(np.asarray(sizes, float))[needed].mean(axis=1)
    return float(doublings @ [1, -1, -1, 1])


def judge(cells: Sequence[Cell]) -> Verdict:
    """Judge the prediction on the cells of a study."""
    states = require(
        [
            c
            for c in cells
            if c.linear
            and np.isfinite(c.state_size)
            and not np.isfinite(c.receptive_field)
            and c.kernel in ("exponential", "polynomial")
        ],
        "linear recurrence on exponential or polynomial memory",
    )
    groups: dict[Hashable, dict[tuple[str, int], dict[float, Cell]]] = {}
    for c in states:
        tasks = groups.setdefault(c.same_but("state"), {})
        tasks.setdefault((c.kernel, c.memory_length), {})[c.state_size] = c
    growths: dict[tuple[Hashable, int], float] = {}
    used: list[Cell] = []
    for what, tasks in groups.items():
        lengths = sorted(m for k, m in tasks if k == "exponential" and ("polynomial", m) in tasks)
        if len(lengths) < LEVELS:
            continue
        ends = [
            tasks[k, m] for k in ("polynomial", "exponential") for m in (lengths[-1], lengths[0])
        ]
        sizes = sorted(set.intersection(*map(set, ends)))
        if len(sizes) < SIZES or sizes[0] > 1:
            continue
        errors = [[score(by_size[size]) for size in sizes] for by_size in ends]
        for s in set.intersection(*(set(e) for row in errors for e in row)):
            growths[what, s] = growth(sizes, np.array([[e[s] for e in row] for row in errors]))
        used += [by_size[size] for by_size in ends for size in sizes]
    censored = int(np.isnan(list(growths.values())).sum())
    if growths and 2 * censored >= len(growths):
        raise NotDecidedError(
            f"in {censored} of {len(growths)} runs no fixed error needs more than the two smallest "
            "state sizes, or the largest has not learned every task"
        )
    values = _mean_by_seed(growths)
    if len(values) < SEEDS:
        raise NotDecidedError(
            f"needs one linear recurrence with {SIZES} state sizes from 1 on and {SEEDS} seeds at "
            f"{LEVELS} memory lengths shared by exponential and polynomial"
        )
    estimate = mean_interval(values)
    return Verdict.of(
        estimate,
        compare(estimate, MARGIN),
        effect_name="growth with memory length of the state size that a fixed error needs, "
        "polynomial minus exponential",
        unit="doublings",
        **count(used),
    )


def _mean_by_seed(values: Mapping[tuple[Hashable, int], float]) -> NDArray[np.float64]:
    by_seed: dict[int, list[float]] = {}
    for (_, seed), value in values.items():
        if not np.isnan(value):
            by_seed.setdefault(seed, []).append(value)
    return np.array([np.mean(v) for v in by_seed.values()])


PREDICTION = Prediction(
    title="Width growth (curse of memory)",
    paper="Li, Han, E & Li (2021), On the Curse of Memory in Recurrent Neural Networks: "
    "Approximation and Optimization Analysis",
    link="https://arxiv.org/abs/2009.07799",
    where="approximation rates of linear RNNs: for memory that decays as t^-(1+omega), the bound "
    "needs more and more width as omega falls; for exponential decay it does not",
    statement="The state size that a linear recurrence needs for a fixed error grows faster with "
    "memory length for polynomial than for exponential memory.",
    needs="one linear recurrence with 3 state sizes from 1 on, on exponential and polynomial "
    "memory at 3 shared memory lengths",
    rule="log2 of the ratio of the smallest state sizes that reach a fixed error, at the longest "
    "and at the shortest memory, averaged over fixed errors, polynomial minus exponential, by "
    "seed: supported if the 90 % interval lies above 0.25 doublings.",
    fixed="2026-11-27",
    judge=judge,
    replaces="the state size that reaches an error of 0.01, interpolated between sizes, said "
    "'supported', by 0.30 doublings [0.30, 0.31], but only between one state and two",
)
