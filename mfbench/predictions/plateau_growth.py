"""Training plateaus grow exponentially with the lag (arXiv 2009.07799).

The rule was fixed on 2026-11-20, before any number of a study that decides it was seen, and is not
tuned to them. Known then: docs/findings.md, where an RNN leaves the plateau at lags 3 and 7 and
not at 15 and later.

Training time is the step at which the validation error falls to 0.5, between two validated steps
by a straight line in log step. log time linear in the lag is exponential growth; its rival is a
power law, log time linear in log lag. On log-log axes a power law is straight and an exponential
bends upwards, so the effect is that bend: c in log2 t = a + b log2 L + c (log2 L)^2, by least
squares for each seed and learning rate. c > 0 says that the exponent itself grows, by 2 c with
every doubling of the lag. Lags beyond the first that a member does not learn in the budget are
left out of its fit, and that one enters at the budget: its true time is longer and its bend
larger, so such a fit can support and cannot contradict. Lags beyond the state size are left out:
no training reaches them.
"""

from __future__ import annotations

import datetime
from collections.abc import Hashable, Sequence

import numpy as np
from numpy.typing import NDArray

from mfbench.predictions.cells import Cell, count, require
from mfbench.predictions.intervals import mean_interval
from mfbench.predictions.prediction import Prediction
from mfbench.predictions.verdict import CONTRADICTED, NOT_DECIDED, NotDecidedError, Verdict, compare

MARGIN = 0.0
ERROR = 0.5
LAGS = 4  # fewer decide nothing: a bend needs three, and one to be wrong by


def passage(steps: NDArray[np.float64], curve: NDArray[np.float64]) -> float:
    """The step at which a validation curve first falls to ERROR; NaN where it does not."""
    below = np.flatnonzero(curve <= ERROR)
    if not below.size:
        return float("nan")
    after = int(below[0])
    if after == 0:
        return float(steps[0])
    share = (curve[after - 1] - ERROR) / (curve[after - 1] - curve[after])
    return float(steps[after - 1] * (steps[after] / steps[after - 1]) ** share)


def bend(lags: Sequence[float], times: Sequence[float]) -> float:
    """The c of log2 t = a + b log2 L + c (log2 L)^2 by least squares."""
    return float(np.polyfit(np.log2(lags), np.log2(times), 2)[0])


def judge(cells: Sequence[Cell]) -> Verdict:
    """Judge the prediction on the cells of a study."""
    found = [
        c
        for c in cells
        if c.model == "rnn" and c.kernel == "impulse" and 1 <= c.rho <= c.state_size
    ]
    if any(c.linear for c in found):
        found = [c for c in found if c.linear]  # what the theory is about
    groups: dict[Hashable, list[Cell]] = {}
    for c in require(found, "RNN on impulses at a lag of 1 or more and of no more than its state"):
        groups.setdefault((c.what, c.width), []).append(c)
    bends: dict[int, list[float]] = {}
    censored = fits = 0
    used: list[Cell] = []
    for group in groups.values():
        ordered = sorted(group, key=lambda c: c.rho)
        if len(ordered) < LAGS:
            continue
        used += ordered
        for rate in range(len(ordered[0].rates)):
            for seed in sorted(set.intersection(*(set(c.seeds) for c in ordered))):
                times = [_time(c, rate, seed) for c in ordered]
                lost = np.flatnonzero(np.isnan(times))
                last = int(lost[0]) if lost.size else len(times) - 1
                if last + 1 < LAGS:
                    continue
                times = [*times[: last + 1]]
                if lost.size:
                    times[last] = float(ordered[last].training["steps"])
                lags = [c.rho for c in ordered[: last + 1]]
                bends.setdefault(seed, []).append(bend(lags, times))
                censored += int(lost.size > 0)
                fits += 1
    if len(bends) < 3:
        raise NotDecidedError(
            f"{LAGS} lags of which at least {LAGS - 1} fall to an error of {ERROR:g} within the "
            f"training are needed for 3 seeds; {len(bends)} have them"
        )
    estimate = mean_interval(np.array([np.mean(v) for _, v in sorted(bends.items())]))
    verdict, reason = compare(estimate, MARGIN)
    if verdict == CONTRADICTED and censored:
        verdict = NOT_DECIDED
        reason += f", but in {censored} of {fits} fits the longest time is only known to be longer"
    elif censored:
        reason += f" (in {censored} of {fits} fits the longest time is a lower bound)"
    return Verdict.of(
        estimate,
        (verdict, reason),
        effect_name=f"bend of log2 steps to an error of {ERROR:g} over log2 lag (0: a power law)",
        unit="1",
        **count(used, all_rates=True),
    )


def _time(cell: Cell, rate: int, seed: int) -> float:
    at = cell.data.isel(learning_rate=rate).sel(seed=seed)
    if at.status == "diverged":
        return float("nan")  # it never got there
    return passage(cell.data.step.values.astype(float), at.validation_error.values)


PREDICTION = Prediction(
    title="Plateau growth with lag",
    paper="Li, Han, E & Li (2021), On the Curse of Memory in Recurrent Neural Networks: "
    "Approximation and Optimization Analysis",
    link="https://arxiv.org/abs/2009.07799",
    where="optimisation analysis: gradient flow of a linear RNN leaves the plateau after a time "
    "that is exponential in the memory of the target",
    statement="The number of steps after which an RNN leaves the plateau of an impulse grows "
    "exponentially with the lag, faster than any power of it.",
    needs="RNNs (linear ones where there are some) on impulses at 4 lags that are learned in time "
    "and that their state can hold",
    rule="Bend c of log2 steps over log2 lag, by seed: supported where the 90 % interval lies "
    "above 0, contradicted where it lies below and no time is cut off by the end of "
    "training.",
    fixed=datetime.date(2026, 11, 20),
    judge=judge,
)
