"""Curse of memory: the width for a fixed error grows for polynomial memory only (arXiv 2009.07799).

The rule was fixed on 2026-11-20, before any result that decides it was seen. Known then:
docs/findings.md (one width), and the floors of orders 1 to 16.

The fixed error is 0.01, the 1 % that also defines M99. For each seed, the state size that reaches
it is read off the curve of log error over log state size, interpolated linearly and made monotone
by a running minimum (a larger model can do what a smaller one can). If no size reaches it, twice
the largest size counts. Growth is log2 of the ratio of this size at the longest memory to that at
the shortest. The effect is growth for polynomial minus growth for exponential memory: costs of
training at longer memory affect both and cancel. One state can represent any exponential; if
training misses the longest one in half of the runs or more, the study decides nothing about width.
"""

from __future__ import annotations

import datetime
from collections.abc import Hashable, Mapping, Sequence

import numpy as np

from mfbench.predictions.cells import SEEDS, Cell, count, require, score
from mfbench.predictions.intervals import mean_interval
from mfbench.predictions.prediction import Prediction
from mfbench.predictions.verdict import NotDecidedError, Verdict, compare

MARGIN = 0.25  # doublings of the state
ERROR = 0.01
SIZES, LEVELS = 3, 3  # least number of state sizes and memory lengths


def needed_state(sizes: Sequence[float], log_errors: Sequence[float]) -> float:
    """The state size at which the error falls to ERROR, or twice the largest if it never does."""
    best = np.minimum.accumulate(log_errors)
    target = np.log10(ERROR)
    if best[-1] > target:
        return 2.0 * sizes[-1]
    after = int(np.argmax(best <= target))
    if after == 0:
        return float(sizes[0])
    share = (best[after - 1] - target) / (best[after - 1] - best[after])
    low, high = np.log(sizes[after - 1]), np.log(sizes[after])
    return float(np.exp(low + share * (high - low)))


def needed_states(cells: Sequence[Cell]) -> dict[int, float]:
    """The state size that reaches ERROR on one task, by seed."""
    ordered = sorted(cells, key=lambda c: c.state_size)
    errors = [score(c) for c in ordered]
    sizes = [c.state_size for c in ordered]
    common = set.intersection(*(set(e) for e in errors))
    return {s: needed_state(sizes, [e[s] for e in errors]) for s in sorted(common)}


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
    groups: dict[Hashable, dict[tuple[str, int], list[Cell]]] = {}
    for c in states:
        tasks = groups.setdefault(c.same_but("state"), {})
        tasks.setdefault((c.kernel, c.memory_length), []).append(c)
    growths: dict[tuple[Hashable, int], float] = {}
    used: list[Cell] = []
    lost = 0
    for what, tasks in groups.items():
        enough = {task for task, by in tasks.items() if len({c.state_size for c in by}) >= SIZES}
        shared = sorted(m for k, m in enough if k == "exponential" and ("polynomial", m) in enough)
        if len(shared) < LEVELS:
            continue
        ends = [(k, m) for k in ("polynomial", "exponential") for m in (shared[-1], shared[0])]
        needed = [needed_states(tasks[end]) for end in ends]
        largest = max(c.state_size for c in tasks[ends[2]])
        for s in sorted(set.intersection(*map(set, needed))):
            polynomial, short_polynomial, exponential, short_exponential = (n[s] for n in needed)
            ratio = polynomial / short_polynomial * short_exponential / exponential
            growths[what, s] = float(np.log2(ratio))
            lost += exponential > largest
        used += [c for end in ends for c in tasks[end]]
    values = _mean_by_seed(growths)
    if len(values) < SEEDS:
        raise NotDecidedError(
            f"needs one linear recurrence with {SIZES} state sizes and {SEEDS} seeds at "
            f"{LEVELS} memory lengths shared by exponential and polynomial"
        )
    if 2 * lost >= len(growths):
        raise NotDecidedError(
            f"on the longest exponential, which one state can represent, {lost} of {len(growths)} "
            f"runs miss an error of {ERROR:g} at every width: training is the limit, not the width"
        )
    estimate = mean_interval(values)
    return Verdict.of(
        estimate,
        compare(estimate, MARGIN),
        effect_name=f"growth with memory length of the state size that reaches an error of "
        f"{ERROR:g}, polynomial minus exponential",
        unit="doublings",
        **count(used),
    )


def _mean_by_seed(values: Mapping[tuple[Hashable, int], float]) -> np.ndarray:
    seeds = sorted({seed for _, seed in values})
    return np.array([np.mean([v for (_, s), v in values.items() if s == seed]) for seed in seeds])


PREDICTION = Prediction(
    title="Width growth (curse of memory)",
    paper="Li, Han, E & Li (2021), On the Curse of Memory in Recurrent Neural Networks: "
    "Approximation and Optimization Analysis",
    link="https://arxiv.org/abs/2009.07799",
    where="approximation rates of linear RNNs: for memory that decays as t^-(1+omega), the bound "
    "needs more and more width as omega falls; for exponential decay it does not",
    statement="The state size that a linear recurrence needs for a fixed error grows faster with "
    "memory length for polynomial than for exponential memory.",
    needs="one linear recurrence with 3 state sizes on exponential and polynomial memory at 3 "
    "shared memory lengths",
    rule="log2 of the ratio of two state sizes that reach an error of 0.01, at the longest and at "
    "the shortest memory, polynomial minus exponential: supported if the 90 % interval lies above "
    "0.25 doublings, contradicted if it lies below.",
    fixed=datetime.date(2026, 11, 20),
    judge=judge,
)
