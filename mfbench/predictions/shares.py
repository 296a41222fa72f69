"""Judge 'this model cannot, that one can' from the share of runs that succeed."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from mfbench.predictions.cells import Cell, count
from mfbench.predictions.intervals import share_difference_interval, share_interval
from mfbench.predictions.verdict import CONTRADICTED, Verdict, compare

MARGIN = 0.0
RARE = 0.1  # successes above this share are no accident


def cannot(
    able: Sequence[Cell],
    unable: Sequence[Cell],
    *,
    succeeds: Callable[[Cell, float], bool],
    effect_name: str,
) -> Verdict:
    """Judge the claim that `able` models can succeed and `unable` models cannot.

    Contradicted if the interval of the unable models' share of successes lies above 0.1, or that
    of the difference of shares below 0. Supported if that of the difference lies above 0. If
    neither kind ever succeeds, nothing is decided: training may be the limit.

    Parameters
    ----------
    able, unable : sequence of Cell
        The two kinds.
    succeeds : callable
        ``succeeds(cell, error) -> bool`` for the relative error of a run, infinite if it diverged.
    effect_name : str
        Name of the difference of shares.
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
        reason = f"{other_wins} of {other_trials} runs do what the prediction rules out"
    return Verdict.of(
        estimate,
        (verdict, reason),
        effect_name=effect_name,
        unit="1",
        **count([*able, *unable]),
    )
