"""Attention without positions cannot delay (arXiv 2305.18475).

The rule was fixed on 2026-11-20, before any result that decides it was seen. Known then:
docs/findings.md, with two runs without positions on impulses (error 0.98).

One layer of attention without positions sums over a set: its output is the same for every order
of the past inputs. It therefore cannot single out one lag of a white input, and an error below 0.5
(half of the energy) is out of reach. This holds for one layer only: in deeper models the causal
mask reveals positions (Haviv et al. 2022, arXiv 2203.16634).
"""

from __future__ import annotations

from collections.abc import Sequence

from mfbench.predictions.cells import Cell, require
from mfbench.predictions.prediction import Prediction
from mfbench.predictions.shares import cannot
from mfbench.predictions.verdict import Verdict

ERROR = 0.5
MARGIN = 0.5  # of the seeds
FIRST_LAG = 2  # lag 0 is the query itself


def judge(cells: Sequence[Cell]) -> Verdict:
    """Judge the prediction on the cells of a study."""
    found = [
        c
        for c in cells
        if c.model == "transformer"
        and c.layers == 1
        and c.kernel == "impulse"
        and c.rho >= FIRST_LAG
    ]
    without = require(
        [c for c in found if c.options["positions"] == "none"],
        f"one-layer transformer without positions on an impulse at lag {FIRST_LAG} or later",
    )
    tasks = {c.on for c in without}
    having = require(
        [c for c in found if c.options["positions"] != "none" and c.on in tasks],
        "one-layer transformer with positions on the same impulse",
    )
    tasks = {c.on for c in having}
    return cannot(
        having,
        [c for c in without if c.on in tasks],
        succeeds=lambda _, error: error < ERROR,
        margin=MARGIN,
        effect_name=f"share of seeds with an error below {ERROR:g}, with positions minus without",
    )


PREDICTION = Prediction(
    title="Attention without positions cannot do impulse",
    paper="Jiang & Li (2024), Approximation Rate of the Transformer Architecture for Sequence "
    "Modeling",
    link="https://arxiv.org/abs/2305.18475",
    where="comparison with RNNs: without its positional encoding, the transformer is invariant to "
    "permutations of time",
    statement="A one-layer transformer without positional encoding cannot recover half of the "
    "energy of an impulse; with positional encoding it can.",
    needs="one-layer transformers with and without positions on the same impulses",
    rule="Share of seeds with an error below 0.5. Contradicted if the 90 % interval of the share "
    "without positions lies above 0.1; else supported if the 90 % interval of the difference "
    "(with minus without) lies above 0.5.",
    fixed="2026-11-20",
    judge=judge,
)
