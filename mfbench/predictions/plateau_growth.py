"""Training plateaus grow exponentially with the lag (arXiv 2009.07799).

The rule is the second one, fixed on 2026-11-20 after the number of the first had been seen, and is
judged on seeds that had not been trained then. The first took the bend of log time over log lag,
and said 'supported' with a bend of 0.32 [0.26, 0.37]. A review then sent made-up power laws through
it: any constant number of steps beside the power law, such as a warm-up of the learning rate, bends
it too. So both rivals now have such an offset of their own.

Training time is the step at which the validation error falls to 0.5, between two validated steps
by a straight line in log step. For each seed and learning rate the times at the lags L are fitted
by t = t0 + a L^p and by t = t0 + a exp(b L), with t0, a >= 0 and p or b free: as many parameters
each. The misfit is the sum of squared relative errors, and the effect is log10 of the misfit of the
power law over that of the exponential. Lags that a member does not learn in the budget are left out
of its fits, and so are those beyond the state size: no training reaches them.
"""

from __future__ import annotations

import datetime
from collections.abc import Hashable, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls

from mfbench.predictions.cells import SEEDS, Cell, count, require
from mfbench.predictions.intervals import mean_interval
from mfbench.predictions.prediction import Prediction
from mfbench.predictions.verdict import NotDecidedError, Verdict, compare

MARGIN = 0.0
ERROR = 0.5
LAGS = 5  # fewer decide nothing: a fit has three parameters
POWERS = np.linspace(0.1, 10.0, 200)  # p
RATES = np.geomspace(0.01, 3.0, 200)  # b per step of lag
ROUNDING = 1e-6  # squared relative errors: below it a fit is perfect


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


def misfit(times: Sequence[float], shapes: NDArray[np.float64]) -> float:
    """Least sum of squared relative errors of t0 + a shape over shapes (rows) and t0, a >= 0."""
    t = np.asarray(times, float)
    scaled = shapes / shapes.max(axis=1, keepdims=True)
    return min(
        float(nnls(np.stack([np.ones_like(t), row], 1) / t[:, None], np.ones_like(t))[1] ** 2)
        for row in scaled
    )


def advantage(lags: Sequence[float], times: Sequence[float]) -> float:
    """log10 of the misfit of a power law over that of an exponential, both with an offset."""
    L = np.asarray(lags, float)
    power = misfit(times, L ** POWERS[:, None])
    exponential = misfit(times, np.exp(RATES[:, None] * (L - L.max())))
    return float(np.log10((power + ROUNDING) / (exponential + ROUNDING)))


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
    found_by_seed: dict[int, list[float]] = {}
    censored = fits = 0
    used: list[Cell] = []
    for group in groups.values():
        ordered = sorted(group, key=lambda c: c.rho)
        if len(ordered) < LAGS:
            continue
        used += ordered
        for rate in range(len(ordered[0].rates)):
            for seed in sorted(set.intersection(*(set(c.seeds) for c in ordered))):
                times = {c.rho: _time(c, rate, seed) for c in ordered}
                learned = {lag: time for lag, time in times.items() if np.isfinite(time)}
                if len(learned) < LAGS:
                    continue
                effect = advantage(list(learned), list(learned.values()))
                found_by_seed.setdefault(seed, []).append(effect)
                censored += len(learned) < len(times)
                fits += 1
    if len(found_by_seed) < SEEDS:
        raise NotDecidedError(
            f"{LAGS} lags at which the error falls to {ERROR:g} within the training are needed for "
            f"{SEEDS} seeds; {len(found_by_seed)} have them"
        )
    estimate = mean_interval(np.array([np.mean(v) for _, v in sorted(found_by_seed.items())]))
    verdict, reason = compare(estimate, MARGIN)
    if censored:
        reason += f" (in {censored} of {fits} fits lags are left out that were not learned in time)"
    return Verdict.of(
        estimate,
        (verdict, reason),
        effect_name=f"log10 misfit of the steps to an error of {ERROR:g} by a power of the lag, "
        "minus that by an exponential",
        unit="decades",
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
    needs="RNNs (linear ones where there are some) on impulses at 5 lags that are learned in time "
    "and that their state can hold",
    rule="log10 of the misfit of steps over lag by offset plus power law, minus that by offset "
    "plus exponential, by seed: supported where the 90 % interval lies above 0, contradicted where "
    "it lies below.",
    fixed=datetime.date(2026, 11, 20),
    judge=judge,
    replaces="the bend of log steps over log lag; supported, by 0.32 [0.26, 0.37], but a power law "
    "beside a constant number of steps bends as well",
)
