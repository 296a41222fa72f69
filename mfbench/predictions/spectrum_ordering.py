"""A convolution's error orders tasks by the spectrum of the tensorised target (arXiv 2107.09355).

The rule was fixed on 2026-11-20, before any result that decides it was seen. Known then:
docs/findings.md, where a nonlinear TCN of 16 channels fails on impulses.

K layers of kernel size l with dilations l^i see l^K lags. Write a filter over these lags as a
tensor with K axes of length l, one for each digit of the lag. The filters of C channels are tensor
trains of rank C, because C channels connect neighbouring layers. At each of the K - 1 cuts between
layers, the target unfolds into a matrix that rank C approximates up to sum_{i > C} sigma_i^2. The
best squared error lies between the largest of these residuals and their sum (Oseledets 2011, doi
10.1137/090752286). The sum is our form of the paper's spectrum term. It is computed on k without
the window weights, which would hide a rank of 1.

Exponentials and impulses have rank 1 and are predicted to be easy at any length. To separate this
from an ordering by memory, tasks are compared at equal memory length only. In the task with the
larger bound, the spectrum term must also exceed the tail beyond the receptive field, which
tcn_tail_floor judges.

Families may be hard or easy for other reasons, and then all pairs that share a family agree or
disagree together. So the share of pairs is compared with the shares under all permutations of
the families' errors, the same permutation at each memory length and width.
"""

from __future__ import annotations

import itertools
from collections.abc import Hashable, Sequence

import numpy as np
from numpy.typing import NDArray

from mfbench.predictions.cells import Cell, count, require, score
from mfbench.predictions.prediction import Prediction
from mfbench.predictions.tcn_tail_floor import DILATED, tail_energy
from mfbench.predictions.verdict import CONTRADICTED, SUPPORTED, NotDecidedError, Verdict, decide

APART = 10.0  # minimum ratio of two bounds
NOTHING = 1e-6  # bounds below this count as equal
PAIRS = 5  # minimum number of pairs


def spectrum_term(cell: Cell) -> float:
    """Sum over all cuts of the squared singular values beyond the number of channels."""
    size, depth = int(cell.options["kernel_size"]), int(cell.layers or 0)
    k = cell.data.memory_function.values
    seen = np.zeros(size**depth)
    seen[: len(k)] = k[: len(seen)]
    # Rows: upper digits of the lag; columns: lower digits.
    cuts = [seen.reshape(-1, size**below) for below in range(1, depth)]
    tails = [np.linalg.svd(cut, compute_uv=False)[cell.width :] for cut in cuts]
    return float(sum((tail**2).sum() for tail in tails))


def judge(cells: Sequence[Cell]) -> Verdict:
    """Judge the prediction on the cells of a study."""
    linear = require(
        [
            c
            for c in cells
            if c.model in DILATED
            and c.linear
            and c.options["dilation_base"] == c.options["kernel_size"]
            and c.receptive_field >= c.memory_length
        ],
        "linear TCN with dilation_base = kernel_size that sees the memory of its task",
    )
    tasks: dict[Hashable, dict[str, Cell]] = {}
    for c in linear:
        tasks.setdefault((c.what, c.width, c.memory_length), {})[c.kernel] = c
    families = sorted({c.kernel for c in linear})
    groups = [[by[f] for f in families] for by in tasks.values() if set(by) == set(families)]
    pairs = [ordered_pairs(group) for group in groups]
    number = sum(map(len, pairs))
    if number < PAIRS:
        raise NotDecidedError(
            f"needs at least {PAIRS} pairs of kernels that share a memory length and whose "
            f"spectrum bounds differ by a factor of {APART:g}, found {number}"
        )
    used = [c for group in groups for c in group]
    if not any(c.learned for c in used):
        raise NotDecidedError("nothing learned its task")
    errors = np.array([[np.mean(list(score(c).values())) for c in group] for group in groups])
    shares = agreement(errors, pairs)
    above, below = (float(side.mean()) for side in (shares >= shares[0], shares <= shares[0]))
    reason = f"{above:.2g} of the orders of {len(families)} families have a share at least as large"
    decision = decide(
        (SUPPORTED, above, reason),
        (CONTRADICTED, below, f"{reason}, and {below:.2g} one at most as large"),
        otherwise=f"{reason}: more families would decide",
    )
    return Verdict(
        verdict=decision.verdict,
        reason=decision.reason,
        p=decision.p,
        effect=float(shares[0]),
        effect_name="share of task pairs in which the task with the larger spectrum bound has the "
        "larger error",
        unit="1",
        method=f"permutations of families over {number} pairs",
        **count(used),
    )


def ordered_pairs(group: Sequence[Cell]) -> list[tuple[int, int]]:
    """Pairs (harder, easier) of cells whose bounds differ by APART because of the spectrum."""
    spectra, tails = ([f(c) for c in group] for f in (spectrum_term, tail_energy))
    bounds = np.maximum(np.add(spectra, tails), NOTHING)
    return [
        (a, b)
        for a, b in itertools.permutations(range(len(group)), 2)
        if bounds[a] >= APART * bounds[b] and spectra[a] > tails[a]
    ]


def agreement(
    errors: NDArray[np.float64], pairs: Sequence[Sequence[tuple[int, int]]]
) -> NDArray[np.float64]:
    """Share of pairs (a, b) with a larger error of a, for each permutation of the families.

    The first permutation changes nothing. A tie counts half.

    Parameters
    ----------
    errors : (groups, families) ndarray
        Errors on tasks of one memory length and width in each row.
    pairs : sequence
        For each group, the pairs of families that are predicted to differ.
    """
    orders = np.array(list(itertools.permutations(range(errors.shape[1]))))
    agree = [
        (1 + np.sign(row[orders[:, a]] - row[orders[:, b]])) / 2
        for row, ordered in zip(errors, pairs, strict=True)
        for a, b in ordered
    ]
    return np.asarray(np.sum(agree, axis=0) / len(agree))


PREDICTION = Prediction(
    title="Spectrum ordering of the TCN",
    paper="Jiang, Li & Li (2021), Approximation Theory of Convolutional Architectures for Time "
    "Series Modelling",
    link="https://arxiv.org/abs/2107.09355",
    where="spectrum-based regularity: the approximation rate follows the decay of the singular "
    "values of the tensorised target (refined in arXiv 2305.18478)",
    statement="At equal memory length, the error of a linear dilated convolution orders kernels "
    "by the singular values of the tensorised memory function beyond its number of channels.",
    needs="linear TCNs with dilation_base = kernel_size, few channels, and five kernels or more at "
    "the same memory lengths within the receptive field",
    rule="Among pairs of kernels at equal memory length, width and depth whose bounds differ by a "
    "factor of 10 because of the spectrum: the share in which the kernel with the larger bound has "
    "the larger mean log10 error, ties counting half. Supported if at most 5 % of the permutations "
    "of the kernels' errors have such a large share, contradicted if at most 5 % have such a small "
    "one; at least 5 pairs.",
    fixed="2026-11-20",
    judge=judge,
)
