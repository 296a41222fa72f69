"""An RNN can stably approximate only exponentially decaying memory (arXiv 2305.19190).

This is the second rule. It was fixed on 2026-11-20, after the result of the first had been seen,
and is judged on seeds that were trained later. The first rule compared the ratio of perturbed to
unperturbed error, for linear RNNs too. It said 'contradicted', with a ratio 3.3 decades larger for
exponential memory: a linear RNN fits an exponential to an error of 1e-7, next to which any
perturbation is large. That measures how well a task was learned and not how much a perturbation
costs. This rule therefore takes the difference of the errors, and only for nonlinear networks, the
subject of the paper.

To approximate polynomial memory, an RNN must put recurrent weights close to the boundary of
stability. A small perturbation of all weights should therefore raise its error more than the error
of an RNN that approximates exponential memory of the same length. E(beta) is the error with weights
perturbed by beta times their norm. Its excess over E(0) on the same sequences is taken at the
largest beta of the study up to 0.1, and at least 1e-8, the level of rounding. The effect is log10
of the excess, polynomial minus exponential, at the same M99. Only models that learned both tasks
count.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mfbench.cube.intervals import decades
from mfbench.predictions.cells import Cell, require
from mfbench.predictions.differences import judge_difference, matched
from mfbench.predictions.prediction import Prediction
from mfbench.predictions.verdict import NotDecidedError, Verdict

MARGIN = 0.1  # decades: a factor of 1.26
LARGEST = 0.1  # perturbation relative to the norm of the weights


def excess(cell: Cell) -> dict[int, float]:
    """log10 of the error that the perturbation adds, by seed."""
    disturbed = cell.per_seed("perturbation_error")
    sizes = np.asarray(cell.data.perturbation.values, float)
    usable = np.flatnonzero((sizes > 0) & (sizes <= LARGEST * (1 + 1e-9)))
    if not usable.size or 0.0 not in sizes:
        raise NotDecidedError(f"the cube lacks perturbation 0 or one between 0 and {LARGEST:g}")
    at, none = int(usable[np.argmax(sizes[usable])]), int(np.argmin(sizes))
    costs = decades(e[at] - e[none] for e in disturbed.values())
    return dict(zip(disturbed, costs, strict=True))


def judge(cells: Sequence[Cell]) -> Verdict:
    """Judge the prediction on the cells of a study."""
    found = [c for c in cells if c.model == "rnn" and not c.linear and c.learned]
    polynomial, exponential = [
        require(
            [c for c in found if c.kernel == kernel], f"nonlinear RNN that learned {kernel} memory"
        )
        for kernel in ("polynomial", "exponential")
    ]
    return judge_difference(
        matched(polynomial, exponential, lambda c: (c.what, c.width, c.memory_length, c.length)),
        values=excess,
        margin=MARGIN,
        differ="the kernel",
        effect_name="log10 of the error that perturbed weights add, polynomial minus exponential",
    )


PREDICTION = Prediction(
    title="Stable approximation needs exponential memory",
    paper="Wang, Li & Li (2024), Inverse Approximation Theory for Nonlinear Recurrent Neural "
    "Networks",
    link="https://arxiv.org/abs/2305.19190",
    where="inverse approximation theorem, and its experiments with perturbed weights",
    statement="Perturbing the weights of a nonlinear RNN raises its error more if it learned "
    "polynomial memory than if it learned exponential memory of the same length.",
    needs="nonlinear RNNs that learned polynomial and exponential memory of the same length, with "
    "perturbation_error in the cube",
    rule="log10 of (perturbed minus unperturbed error) at the largest perturbation up to 0.1, "
    "polynomial minus exponential, by seed: supported if the 90 % interval lies above 0.1 decades.",
    fixed="2026-11-20",
    judge=judge,
    replaces="the ratio of perturbed to unperturbed error, linear RNNs included, said "
    "'contradicted', by 3.3 decades, but exponentials are learned to 1e-7 and any perturbation is "
    "large next to it",
)
