"""The balanced parameterisation trains stably at larger learning rates (arXiv 2311.14495).

The rule was fixed on 2026-11-20, before any result that decides it was seen. Its author then knew
nothing about these models. (The author of the architecture had tried two seeds: 'direct' diverged
at learning rates of 0.3 and above, the others did not.)

A member is stable if it does not diverge and its last validation error is at most twice the error
of predicting zero (the reported test error belongs to its best step and would hide a bad end). For
each task and seed, the rule finds the largest learning rate up to which all rates are stable, or
half of the smallest rate if none is. The step of the grid of rates is the resolution. It compares
the parameterisation 'best', 1 - 1/(w^2 + 1/2), whose ratio of gradient to weight is bounded, with
'direct'. If 'best' is never unstable, its largest rate is only a lower bound, so the verdict can be
'supported' or 'not decided' only.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mfbench.predictions.cells import Cell, require
from mfbench.predictions.differences import judge_difference, matched
from mfbench.predictions.prediction import Prediction
from mfbench.predictions.verdict import SUPPORTED, NotDecidedError, Verdict

MARGIN = 0.25  # decades
RATES = 3  # minimum number of learning rates
ERROR = 2.0  # largest relative validation error of a stable member at its last step


def stable(cell: Cell) -> np.ndarray:
    """Which members trained stably, (learning_rate, seed)."""
    end = cell.data.validation_error.transpose("learning_rate", "seed", "step").values[..., -1]
    return np.asarray((cell.status == "ok") & (end <= ERROR))


def largest_stable_rate(cell: Cell) -> dict[int, float]:
    """log10 of the largest learning rate up to which all rates are stable, by seed."""
    rates = np.log10(cell.rates)
    order = np.argsort(rates)
    limits = np.append(rates.min() + np.log10(0.5), rates[order])
    number = np.logical_and.accumulate(stable(cell)[order]).sum(axis=0)
    swept = cell.trained.all(axis=0)
    seeds = cell.data.seed.values
    return {int(s): float(limits[n]) for s, n in zip(seeds[swept], number[swept], strict=True)}


def judge(cells: Sequence[Cell]) -> Verdict:
    """Judge the prediction on the cells of a study."""
    swept = [c for c in cells if c.model == "stable_ssm" and len(c.rates) >= RATES]
    arms = {
        name: require(
            [c for c in swept if c.options["parameterisation"] == name],
            f"state-space model with parameterisation {name} at {RATES} learning rates",
        )
        for name in ("best", "direct")
    }
    pairs = matched(
        arms["best"], arms["direct"], lambda c: (c.same_but("parameterisation"), c.width, c.on)
    )
    steps = [np.diff(np.log10(np.sort(c.rates))).max() for side in arms.values() for c in side]
    verdict = judge_difference(
        pairs,
        values=largest_stable_rate,
        margin=MARGIN,
        differ="the parameterisation",
        effect_name="log10 of the largest stable learning rate, best minus direct",
        resolution=max(steps),
        all_rates=True,
    )
    best = [c for side, _ in pairs for c in side]
    if verdict.verdict != SUPPORTED and not any((~stable(c) & c.trained).any() for c in best):
        raise NotDecidedError(
            "no member with parameterisation best is unstable: the learning rates do not reach its "
            "limit"
        )
    return verdict


PREDICTION = Prediction(
    title="Parameterisation and stability",
    paper="Wang & Li (2024), StableSSM: Alleviating the Curse of Memory in State-space Models "
    "through Stable Reparameterization",
    link="https://arxiv.org/abs/2311.14495",
    where="optimisation stability: the ratio of gradient to weight is bounded for the 'best' "
    "parameterisation 1 - 1/(w^2 + 1/2)",
    statement="A state-space model with the 'best' parameterisation trains stably at larger "
    "learning rates than one that trains its recurrent weight directly.",
    needs="stable_ssm with parameterisations direct and best, otherwise equal, at 3 or more "
    "learning rates that reach instability",
    rule="log10 of the largest learning rate up to which no member diverges or ends above twice "
    "the error of predicting zero, best minus direct, by seed: supported if the 90 % "
    "interval lies above 0.25 decades.",
    fixed="2026-11-20",
    judge=judge,
)
