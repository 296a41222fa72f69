"""The verdict on 'this model cannot, that one can', from how often each does."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from mfbench.predictions.cells import Cell, count
from mfbench.predictions.intervals import share_difference_interval, share_interval
from mfbench.predictions.verdict import CONTRADICTED, Verdict, compare

MARGIN = 0.0
RARE = 0.1  # a share of successes surely above this is more than an accident


def cannot(
    able: Sequence[Cell],
    unable: Sequence[Cell],
    *,
    succeeds: Callable[[Cell, float], bool],
    effect_name: str,
) -> Verdict:
    """Judge that models of one kind succeed and those of the other never do.

    Contradicted where the share of successes of the unable lies above 0.1 with its whole interval,
    whatever the others do. Else supported where the difference of the shares lies above 0. That
    neither succeeds decides nothing: training may be the limit.

    Parameters
    ----------
    able, unable : sequence of Cell
        The two kinds.
    succeeds : callable
        ``succeeds(cell, error) -> bool`` for the relative error of a run; a diverged one has
        an infinite error.
    effect_name : str
        What the difference of the shares is.
    """
    results = [
        [succeeds(cell, error) for cell in kind for error in cell.seeds.values()]
        for kind in (able, unable)
    ]
    (wins, trials), (other_wins, other_trials) = [(sum(r), len(r)) for r in results]
    estimate = share_difference_interval(wins, trials, other_wins, other_trials)
    verdict, reason = compare(estimate, MARGIN)
    if not wins and not other_wins:
        reason = "neither kind succeeds, so training may be the limit"
    reason = f"{wins} of {trials} runs against {other_wins} of {other_trials}: {reason}"
    if share_interval(other_wins, other_trials).low > RARE:
        verdict = CONTRADICTED
        reason = f"{other_wins} of {other_trials} runs do what they should not be able to"
    return Verdict.of(
        estimate,
        (verdict, reason),
        effect_name=effect_name,
        unit="1",
        **count([*able, *unable]),
    )
