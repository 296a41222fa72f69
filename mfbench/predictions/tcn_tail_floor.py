"""Tail floor and cliff of a dilated convolution (arXiv 2107.09355).

The rule was fixed on 2026-11-20, before any number of a study that decides it was seen, and is not
tuned to them. Known then: docs/findings.md, and the published values for a linear TCN at lag 50.

A model with receptive field R gives nothing to lags >= R, so its error is at least their energy,
sum_{s >= R} w_s k_s^2, whatever it was trained to. For an impulse that is all or nothing: the
error falls from 1 to what training reaches as soon as R exceeds the lag. The size of that cliff in
decades is the effect. What is exact comes first: one run below its floor contradicts, because no
model can be there. A linear model's error is taken in closed form from its learned memory
function; that of another model from the test split, with four standard errors of grace.
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence

import numpy as np

from mfbench.predictions.cells import Cell, count, decades, require
from mfbench.predictions.intervals import difference_interval
from mfbench.predictions.prediction import Prediction
from mfbench.predictions.verdict import CONTRADICTED, Verdict, compare

MARGIN = 1.0  # decades
GRACE = 4.0  # standard errors of a test error
ROUNDING = 1e-4  # relative, of a closed form in float32


def tail_energy(cell: Cell) -> float:
    """Energy of the memory function at lags that the model cannot see: the least error."""
    return float((cell.k[int(cell.receptive_field) :] ** 2).sum())


def below_floor(cell: Cell) -> int:
    """Number of runs at the selected learning rate that score below the tail's energy."""
    floor = tail_energy(cell)
    if cell.linear:
        roots = np.sqrt(cell.data.weights.values)
        learned = cell.per_seed("learned_memory_function").values()
        errors = [float(((cell.k - roots * h) ** 2).sum()) for h in learned]
        return sum(error < floor * (1 - ROUNDING) for error in errors)
    spread = cell.per_seed("relative_mse_standard_error")
    return sum(cell.seeds[seed] < floor - GRACE * float(spread[seed]) for seed in spread)


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
    estimate = difference_interval(
        decades(e for c in short for e in c.seeds.values()),
        decades(e for c in covering for e in c.seeds.values()),
    )
    verdict, reason = compare(estimate, MARGIN)
    violations = sum(below_floor(c) for c in limited)
    if violations:
        verdict, reason = CONTRADICTED, f"{violations} runs score below the floor of their tail"
    elif verdict == CONTRADICTED:
        reason += ": a field that covers the lag does not help (the theory bounds what a model can "
        reason += "represent; that training does not find it would look the same)"
    return Verdict.of(
        estimate,
        (verdict, reason),
        effect_name="height of the cliff in error where the receptive field reaches the lag",
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
    statement="A dilated convolution never scores below the energy of the memory function beyond "
    "its receptive field, and the error on an impulse falls off a cliff where the "
    "field reaches it.",
    needs="TCNs on an impulse, some with a receptive field up to its lag and some beyond",
    rule="Contradicted where a run scores below its tail's energy. Else the mean log10 error of "
    "the runs that do not see the lag minus that of the runs that do: supported where the "
    "90 % interval lies above 1 decade, contradicted where it lies below.",
    fixed=datetime.date(2026, 11, 20),
    judge=judge,
)
