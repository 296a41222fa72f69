"""What an RNN approximates stably decays exponentially (arXiv 2305.19190).

The rule is the second one, fixed on 2026-11-20 after the number of the first had been seen, and is
judged on seeds that had not been trained then. The first took the ratio of disturbed and
undisturbed error, of linear RNNs too; it said 'contradicted', with a ratio 3.3 decades larger for
exponential memory: a linear RNN fits an exponential to 1e-7, next to which every disturbance is
large. That says how well a task was learned and nothing of what a disturbance costs. So the
difference of the errors has taken the place of their ratio, and only nonlinear networks count,
which is what the paper is about.

An RNN that approximates polynomial memory must put recurrent weights close to the boundary of
stability, so a small disturbance of all weights costs it more than one that approximates
exponential memory of the same length. E(beta) is the error with weights disturbed by beta times
their norm; its excess over E(0), on the same sequences, is taken at the largest beta up to 0.1 that
the study has. The effect is log10 of the excess, polynomial minus exponential at the same M99. A
disturbance that costs nothing counts as the least cost that is told from rounding, 1e-8. Only
models that learned both tasks (median error below 0.1) say something about approximation.
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
    """log10 of the error that the disturbance adds, by seed."""
    disturbed = cell.per_seed("perturbation_error")
    sizes = np.asarray(cell.data.perturbation.values, float)
    usable = np.flatnonzero((sizes > 0) & (sizes <= LARGEST * (1 + 1e-9)))
    if not usable.size or 0.0 not in sizes:
        raise NotDecidedError(f"the cube has no perturbation of 0 and one up to {LARGEST:g}")
    at, none = int(usable[np.argmax(sizes[usable])]), int(np.argmin(sizes))
    costs = decades(e[at] - e[none] for e in disturbed.values())
    return dict(zip(disturbed, costs, strict=True))


def judge(cells: Sequence[Cell]) -> Verdict:
    """Judge the prediction on the cells of a study."""
    found = [
        c
        for c in cells
        if c.model == "rnn"
        and not c.linear
        and c.seeds
        and np.median(list(c.seeds.values())) < LEARNED
    ]
    polynomial, exponential = [
        require(
            [c for c in found if c.kernel == kernel], f"nonlinear RNN that learned {kernel} memory"
        )
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
    statement="Disturbed weights cost a nonlinear RNN that learned polynomial memory more than one "
    "that learned exponential memory of the same length.",
    needs="nonlinear RNNs that learned polynomial and exponential memory of the same length, with "
    "perturbation_error in the cube",
    rule="log10 of disturbed minus undisturbed error at the largest disturbance up to 0.1, "
    "polynomial minus exponential, by seed: supported where the 90 % interval lies above 0, "
    "contradicted where it lies below.",
    fixed=datetime.date(2026, 11, 20),
    judge=judge,
    replaces="the ratio of disturbed and undisturbed error, linear RNNs included; contradicted, by "
    "3.3 decades, because exponentials are learned to 1e-7 and any disturbance is large next to it",
)
