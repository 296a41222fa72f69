"""Judge whether one kind of model can do what another cannot, by shares of successful seeds."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from mfbench.cube.intervals import share_difference_interval, share_interval
from mfbench.predictions.cells import Cell, count
from mfbench.predictions.verdict import CONTRADICTED, SUPPORTED, Verdict, decide

RARE = 0.1  # successes above this share are not luck


def cannot(
    able: Sequence[Cell],
    unable: Sequence[Cell],
    *,
    succeeds: Callable[[Cell, float], bool],
    margin: float,
    effect_name: str,
) -> Verdict:
    """Judge the claim that `able` models can succeed and `unable` models cannot.

    Contradicted if the interval of the unable models' share of successes lies above 0.1; else
    supported if the interval of the difference of shares lies above the margin. Otherwise it is not
    decided: if able models rarely succeed, training may be the limit. A seed is one trial, whatever
    the number of cells: its success is its share of successful cells.

    Parameters
    ----------
    able, unable : sequence of Cell
        The two kinds.
    succeeds : callable
        ``succeeds(cell, error) -> bool`` for the relative error of a run, infinite if it diverged.
    margin : float
        The smallest difference of shares that supports the prediction.
    effect_name : str
        Name of the difference of shares.
    """
    (wins, trials), (others, other_trials) = (
        _successes(kind, succeeds=succeeds) for kind in (able, unable)
    )
    estimate = share_difference_interval(wins, trials, others, other_trials)
    accident = share_interval(others, other_trials).at_most(RARE)
    counts = f"{wins:.3g} of {trials} seeds against {others:.3g} of {other_trials}"
    limit = "more seeds would narrow it" if wins else "training may be the limit"
    decision = decide(
        (CONTRADICTED, accident, f"{counts}, which do what the prediction rules out"),
        (
            SUPPORTED,
            estimate.at_most(margin),
            f"{counts}: the whole interval lies above {margin:g}",
        ),
        otherwise=f"{counts}: the interval does not lie above {margin:g}; {limit}",
    )
    return Verdict.of(
        estimate,
        decision,
        effect_name=effect_name,
        unit="1",
        **count([*able, *unable]),
    )


def _successes(
    kind: Sequence[Cell], *, succeeds: Callable[[Cell, float], bool]
) -> tuple[float, int]:
    """Number of successes and of seeds; a seed that succeeds in half of its cells counts half."""
    results: dict[int, list[bool]] = {}
    for cell in kind:
        for seed, error in cell.seeds.items():
            results.setdefault(seed, []).append(succeeds(cell, error))
    return float(sum(np.mean(r) for r in results.values())), len(results)
