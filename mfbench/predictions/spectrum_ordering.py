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
"""

from __future__ import annotations

import datetime
import itertools
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from mfbench.predictions.cells import Cell, count, require, score
from mfbench.predictions.intervals import share_interval
from mfbench.predictions.prediction import Prediction
from mfbench.predictions.tcn_tail_floor import tail_energy
from mfbench.predictions.verdict import NotDecidedError, Verdict, compare

MARGIN = 0.5  # share of pairs, by chance
APART = 10.0  # least ratio of two bounds
NOTHING = 1e-6  # bounds below this count as equal
PAIRS = 5  # least number of pairs


def spectrum_term(cell: Cell) -> float:
    """Sum over all cuts of the squared singular values beyond the number of channels."""
    size, depth = int(cell.options["kernel_size"]), cell.layers
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
            if c.model == "tcn"
            and c.linear
            and c.options["dilation_base"] == c.options["kernel_size"]
            and c.receptive_field >= c.memory_length
        ],
        "linear TCN with dilation_base = kernel_size that sees the memory of its task",
    )
    agree, pairs, used = 0, 0, set[int]()
    for a, b in itertools.combinations(range(len(linear)), 2):
        first, other = linear[a], linear[b]
        alike = (first.what, first.width, first.memory_length) == (
            (other.what, other.width, other.memory_length)
        )
        if not alike or first.kernel == other.kernel:
            continue
        spectra = [spectrum_term(c) for c in (first, other)]
        tails = [tail_energy(c) for c in (first, other)]
        bounds = np.maximum(np.add(spectra, tails), NOTHING)
        harder = int(np.argmax(bounds))
        if bounds.max() < APART * bounds.min() or spectra[harder] <= tails[harder]:
            continue
        means = [np.mean(list(score(c).values())) for c in (first, other)]
        agree += int(harder == np.argmax(means))
        pairs += 1
        used |= {a, b}
    if pairs < PAIRS:
        raise NotDecidedError(
            f"needs at least {PAIRS} pairs of kernels that share a memory length and whose "
            f"spectrum bounds differ by a factor of {APART:g}, found {pairs}"
        )
    estimate = share_interval(agree, pairs)
    estimate = replace(estimate, method=f"Jeffreys interval over {pairs} pairs, as if independent")
    return Verdict.of(
        estimate,
        compare(estimate, MARGIN),
        effect_name="share of task pairs in which the task with the larger spectrum bound has the "
        "larger error",
        unit="1",
        **count(linear[i] for i in sorted(used)),
    )


PREDICTION = Prediction(
    title="Spectrum ordering of the TCN",
    paper="Jiang, Li & Li (2021), Approximation Theory of Convolutional Architectures for Time "
    "Series Modelling",
    link="https://arxiv.org/abs/2107.09355",
    where="spectrum-based regularity: the approximation rate follows the decay of the singular "
    "values of the tensorised target (refined in arXiv 2305.18478)",
    statement="At equal memory length, the error of a linear dilated convolution orders kernels "
    "by the singular values of the tensorised memory function beyond its number of channels.",
    needs="linear TCNs with dilation_base = kernel_size, few channels, and several kernels at the "
    "same memory lengths within the receptive field",
    rule="Among pairs of kernels at equal memory length, width and depth whose bounds differ by a "
    "factor of 10 because of the spectrum: the share in which the kernel with the larger bound has "
    "the larger mean log10 error. Supported if the 90 % interval lies above 0.5, contradicted if "
    "it lies below; at least 5 pairs.",
    fixed=datetime.date(2026, 11, 20),
    judge=judge,
)
