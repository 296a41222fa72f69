"""Tail floor and cliff of a dilated convolution (arXiv 2107.09355).

The rule was fixed on 2026-11-20, before any result that decides it was seen. Known then:
docs/findings.md, and the published values for a linear TCN at lag 50.

A model with receptive field R ignores lags >= R, so its error is at least their energy,
sum_{s >= R} w_s k_s^2: the tail floor. For an impulse this is all or nothing: once R exceeds the
lag, the error falls from 1 to the limit that training sets. The effect is the height of this cliff
in decades. A single run below its floor contradicts the prediction, because the floor is exact. The
error of a linear model is computed in closed form from its learned memory function; for other
models the test error must lie four standard errors below the floor.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mfbench.cube.intervals import mean_interval
from mfbench.predictions.cells import Cell, count, require, score
from mfbench.predictions.differences import differences_by_seed
from mfbench.predictions.prediction import Prediction
from mfbench.predictions.verdict import CONTRADICTED, SUPPORTED, NotDecidedError, Verdict, decide

MARGIN = 1.0  # decades
GRACE = 4.0  # standard errors of the test error
ROUNDING = 1e-4  # relative error of the closed form in float32


def tail_energy(cell: Cell) -> float:
    """Energy of the memory function beyond the receptive field: the smallest possible error."""
    return float((cell.k[int(cell.receptive_field) :] ** 2).sum())


def below_floor(cell: Cell) -> int:
    """Number of runs at the selected learning rate with an error below the tail floor."""
    floor = tail_energy(cell)
    if cell.linear:
        roots = np.sqrt(cell.data.weights.values)
        learned = cell.per_seed("learned_memory_function").values()
        errors = [float(((cell.k - roots * h) ** 2).sum()) for h in learned]
        return sum(error < floor * (1 - ROUNDING) for error in errors)
    spread = cell.per_seed("relative_mse_standard_error")
    found = cell.seeds.items()
    return sum(e < floor - GRACE * float(spread[s]) for s, e in found if s in spread)


def judge(cells: Sequence[Cell]) -> Verdict:
    """Judge the prediction on the cells of a study."""
    limited = [c for c in cells if c.model == "tcn" and np.isfinite(c.receptive_field)]
    impulse = [c for c in limited if c.kernel == "impulse"]
    short = require(
        [c for c in impulse if c.receptive_field <= c.rho],
        "dilated convolution that does not see the lag of an impulse",
    )
    covering = require(
        [c for c in impulse if c.receptive_field > c.rho],
        "dilated convolution that sees the lag of an impulse",
    )
    estimate = mean_interval(differences_by_seed([(short, covering)], score))
    violations = sum(below_floor(c) for c in limited)
    if not violations and not any(c.learned for c in covering):
        raise NotDecidedError("nothing learned the impulse where the receptive field reaches it")
    below = f"runs with an error below their tail floor: {violations}"
    above = f"the whole interval lies above {MARGIN:g}"
    decision = decide(
        (CONTRADICTED, float(not violations), below),
        (SUPPORTED, estimate.at_most(MARGIN), above),
        otherwise=f"the interval does not lie above {MARGIN:g}: training may be the limit",
    )
    return Verdict.of(
        estimate,
        decision,
        effect_name="drop in error where the receptive field reaches the lag",
        unit="decades",
        **count([*short, *covering]),
    )


PREDICTION = Prediction(
    title="Tail floor and cliff of the TCN",
    paper="Jiang, Li & Li (2021), Approximation Theory of Convolutional Architectures for Time "
    "Series Modelling",
    link="https://arxiv.org/abs/2107.09355",
    where="approximation rate: the error is bounded by a spectrum term plus the norm of the target "
    "beyond the receptive field",
    statement="The error of a dilated convolution never falls below the energy of the memory "
    "function beyond its receptive field; on an impulse it drops sharply once the receptive field "
    "covers the lag.",
    needs="TCNs on an impulse, some with a receptive field up to its lag and some beyond",
    rule="Contradicted if the error of any run lies below the energy of its tail. Otherwise mean "
    "log10 error of the runs that do not see the lag, minus that of the runs that do, by seed: "
    "supported if the 90 % interval lies above 1 decade.",
    fixed="2026-11-20",
    judge=judge,
)
