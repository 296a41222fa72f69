"""Training plateaus grow exponentially with the lag (arXiv 2009.07799).

This is the second rule. It was fixed on 2026-11-20, after the result of the first had been seen,
and is judged on seeds that were trained later. The first rule measured the curvature of log time
over log lag and said 'supported', with a curvature of 0.32 [0.26, 0.37]. A review then tried it on
synthetic power laws and found that a constant offset in steps, such as a warm-up of the learning
rate, also curves a power law. Both candidates therefore have an offset now.

Training time is the step at which the validation error falls to 0.5, interpolated linearly in log
step between two validations. For each seed and learning rate, the times at the lags L are fitted by
t = t0 + a L^p and by t = t0 + a exp(b L), with t0, a >= 0 and p or b free: three parameters each.
The misfit is the sum of squared relative errors. The effect is log10 of the ratio of the power
law's misfit to the exponential's. A member's fits leave out lags that it does not learn in time,
and lags beyond the state size, which no training can reach.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np
from numpy.typing import NDArray

from mfbench.cube.intervals import mean_interval
from mfbench.predictions.cells import SEEDS, Cell, count, require
from mfbench.predictions.prediction import Prediction
from mfbench.predictions.verdict import NotDecidedError, Verdict, compare

MARGIN = 0.3  # decades: a factor of two
ERROR = 0.5
LAGS = 5  # a fit has three parameters
POWERS = np.linspace(0.1, 10.0, 200)  # p
RATES = np.geomspace(0.01, 3.0, 200)  # b per step of lag
ROUNDING = 1e-6  # squared relative errors below this count as a perfect fit


def passage(steps: NDArray[np.float64], curve: NDArray[np.float64]) -> float:
    """The step at which a validation curve first falls to ERROR, NaN if it never does."""
    below = np.flatnonzero(curve <= ERROR)
    if not below.size:
        return float("nan")
    after = int(below[0])
    if after == 0:
        return float(steps[0])
    share = (curve[after - 1] - ERROR) / (curve[after - 1] - curve[after])
    return float(steps[after - 1] * (steps[after] / steps[after - 1]) ** share)


def misfit(times: Sequence[float] | NDArray[np.float64], shapes: NDArray[np.float64]) -> float:
    """Smallest sum of squared relative errors of t0 + a shape, over rows of shapes, t0, a >= 0."""
    offset = 1 / np.asarray(times, float)  # t0 and a are coefficients of these two; the target is 1
    shape = shapes / shapes.max(axis=1, keepdims=True) * offset
    oo, os, ss = (offset**2).sum(), shape @ offset, (shape**2).sum(axis=1)
    o, s = offset.sum(), shape.sum(axis=1)
    determinant = oo * ss - os**2
    t0, a = (o * ss - s * os) / determinant, (s * oo - o * os) / determinant
    explained = np.where((t0 > 0) & (a > 0), t0 * o + a * s, np.maximum(o**2 / oo, s**2 / ss))
    return float(max(len(offset) - explained.max(), 0.0))


def advantage(lags: NDArray[np.float64], times: NDArray[np.float64]) -> float:
    """log10 of a power law's misfit over an exponential's, both with an offset."""
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
        found = [c for c in found if c.linear]  # the theory is about linear RNNs
    groups: dict[Hashable, list[Cell]] = {}
    for c in require(found, "RNN on impulses with a lag from 1 to its state size"):
        groups.setdefault((c.what, c.width), []).append(c)
    found_by_seed: dict[int, list[float]] = {}
    censored = fits = 0
    used: list[Cell] = []
    for group in groups.values():
        ordered = sorted(group, key=lambda c: c.rho)
        if len(ordered) < LAGS:
            continue
        used += ordered
        lags = np.array([c.rho for c in ordered])
        for (_, seed), times in _times(ordered).items():
            learned = np.isfinite(times)
            if learned.sum() < LAGS:
                continue
            effect = advantage(lags[learned], times[learned])
            found_by_seed.setdefault(seed, []).append(effect)
            censored += not learned.all()
            fits += 1
    if len(found_by_seed) < SEEDS:
        raise NotDecidedError(
            f"needs at least {SEEDS} seeds that reach an error of {ERROR:g} at {LAGS} lags, "
            f"found {len(found_by_seed)}"
        )
    estimate = mean_interval(np.array([np.mean(v) for _, v in sorted(found_by_seed.items())]))
    decision = compare(estimate, MARGIN)
    if censored:
        left_out = f"{censored} of {fits} fits leave out lags that were not learned in time"
        decision = decision._replace(reason=f"{decision.reason} ({left_out})")
    return Verdict.of(
        estimate,
        decision,
        effect_name=f"log10 misfit, power law minus exponential in the lag, of the steps to an "
        f"error of {ERROR:g}",
        unit="decades",
        **count(used, all_rates=True),
    )


def _times(cells: Sequence[Cell]) -> dict[tuple[int, int], NDArray[np.float64]]:
    """Passage times in all cells, by learning rate and seed; NaN if diverged or not learned."""
    found: dict[tuple[int, int], list[float]] = {}
    for c in cells:
        curves = c.data.validation_error.transpose("learning_rate", "seed", "step").values
        steps, ended, seeds = c.data.step.values.astype(float), c.status == "ok", c.data.seed.values
        for rate, j in np.argwhere(c.trained):
            time = passage(steps, curves[rate, j]) if ended[rate, j] else np.nan
            found.setdefault((int(rate), int(seeds[j])), []).append(time)
    return {key: np.array(times) for key, times in found.items() if len(times) == len(cells)}


PREDICTION = Prediction(
    title="Plateau growth with lag",
    paper="Li, Han, E & Li (2021), On the Curse of Memory in Recurrent Neural Networks: "
    "Approximation and Optimization Analysis",
    link="https://arxiv.org/abs/2009.07799",
    where="optimisation analysis: gradient flow of a linear RNN leaves the plateau after a time "
    "that is exponential in the memory of the target",
    statement="The number of steps until an RNN leaves its training plateau on an impulse grows "
    "exponentially with the lag, faster than any power law.",
    needs="RNNs (linear ones if the study has any) on impulses, at 5 lags that are learned in time "
    "and within the state size",
    rule="Two fits of steps over lag: offset plus power law and offset plus exponential. log10 "
    "misfit of the first minus log10 misfit of the second, by seed: supported if the 90 % interval "
    "lies above 0.3 decades.",
    fixed="2026-11-20",
    judge=judge,
    replaces="the curvature of log steps over log lag said 'supported', by 0.32 [0.26, 0.37], but "
    "a power law with a constant offset in steps is curved as well",
)
