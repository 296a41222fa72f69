"""What an RNN approximates stably decays exponentially (arXiv 2305.19190).

The rule was fixed on 2026-11-20, before any number of a study that decides it was seen, and is not
tuned to them. It is the second one. The first, of the same day, took the ratio of disturbed and
undisturbed error, which turned out 3.3 decades larger for exponential memory: a linear RNN fits an
exponential to 1e-7, next to which every disturbance is large. That says how well a task was learned
and nothing of what a disturbance costs, so the difference of the errors has taken the place of
their ratio, before it was looked at; all else is as it was.

An RNN that approximates polynomial memory must put recurrent weights close to the boundary of
stability, so a small disturbance of all weights costs it more than one that approximates
exponential memory of the same length. E(beta) is the error with weights disturbed by beta times
their norm; its excess over the undisturbed error is taken at the largest beta up to 0.1 that the
study has. The effect is log10 of the excess, polynomial minus exponential at the same M99.
Only models that learned both tasks (median error below 0.1) say something about approximation.
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence

import numpy as np

from mfbench.predictions.cells import Cell, count, decades, differences_by_seed, matched, require
from mfbench.predictions.intervals import mean_interval
from mfbench.predictions.prediction import Prediction
from mfbench.predictions.verdict import NotDecidedError, Verdict, compare

MARGIN = 0.0
LARGEST = 0.1  # disturbance relative to the norm of the weights
LEARNED = 0.1


def excess(cell: Cell) -> dict[int, float]:
    """log10 of the disturbed minus the undisturbed error by seed."""
    disturbed = cell.per_seed("perturbation_error")
    sizes = np.asarray(cell.data.perturbation.values, float)
    usable = np.flatnonzero((sizes > 0) & (sizes <= LARGEST * (1 + 1e-9)))
    if not usable.size:
        raise NotDecidedError(f"the cube has no perturbation up to {LARGEST:g}")
    at = int(usable[np.argmax(sizes[usable])])
    costs = decades(e[at] - cell.seeds[s] for s, e in disturbed.items())
    return dict(zip(disturbed, costs, strict=True))


def judge(cells: Sequence[Cell]) -> Verdict:
    """Judge the prediction on the cells of a study."""
    found = [
        c
        for c in cells
        if c.model == "rnn" and c.seeds and np.median(list(c.seeds.values())) < LEARNED
    ]
    polynomial, exponential = [
        require([c for c in found if c.kernel == kernel], f"RNN that learned {kernel} memory")
        for kernel in ("polynomial", "exponential")
    ]
    pairs = matched(polynomial, exponential, lambda c: (c.what, c.width, c.memory_length, c.length))
    estimate = mean_interval(differences_by_seed(pairs, excess, "the kernel"))
    return Verdict.of(
        estimate,
        compare(estimate, MARGIN),
        effect_name="log10 of the error that disturbed weights add, polynomial minus exponential",
        unit="decades",
        **count(c for pair in pairs for side in pair for c in side),
    )


PREDICTION = Prediction(
    title="Stable approximation needs exponential memory",
    paper="Wang, Li & Li (2024), Inverse Approximation Theory for Nonlinear Recurrent Neural "
    "Networks",
    link="https://arxiv.org/abs/2305.19190",
    where="inverse approximation theorem, and its experiments with disturbed weights",
    statement="Disturbed weights cost an RNN that learned polynomial memory more than one that "
    "learned exponential memory of the same length.",
    needs="RNNs that learned polynomial and exponential memory of the same length, with "
    "perturbation_error in the cube",
    rule="log10 of disturbed minus undisturbed error at the largest disturbance up to 0.1, "
    "polynomial minus exponential, by seed: supported where the 90 % interval lies above 0, "
    "contradicted where it lies below.",
    fixed=datetime.date(2026, 11, 20),
    judge=judge,
)
