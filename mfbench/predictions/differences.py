"""Judge whether one kind of cell has larger values than another, by differences by seed."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from mfbench.cube.intervals import RESOLUTION, mean_interval
from mfbench.predictions.cells import SEEDS, Cell, count
from mfbench.predictions.verdict import NotDecidedError, Verdict, compare

Pair = tuple[Sequence[Cell], Sequence[Cell]]


def matched(
    first: Iterable[Cell], second: Iterable[Cell], key: Callable[[Cell], Hashable]
) -> list[Pair]:
    """Pair the cells of two kinds by key; keys that only one kind has are dropped."""
    groups: dict[Hashable, tuple[list[Cell], list[Cell]]] = {}
    for side, found in enumerate((first, second)):
        for cell in found:
            groups.setdefault(key(cell), ([], []))[side].append(cell)
    return [pair for pair in groups.values() if pair[0] and pair[1]]


def differences_by_seed(
    pairs: Sequence[Pair], values: Callable[[Cell], Mapping[int, float]]
) -> NDArray[np.float64]:
    """Difference in `values` between the first and the second kind, averaged over pairs, by seed.

    A seed is one replicate: it sets the initialisation and the batch order in every cell, so
    results of one seed at different tasks are not independent. Only seeds with a finite value in
    all cells are used.

    Raises
    ------
    NotDecidedError
        Too few common seeds.
    """
    numbers = [[[_finite(values(cell)) for cell in side] for side in pair] for pair in pairs]
    common = set.intersection(*(set(v) for pair in numbers for side in pair for v in side))
    if len(common) < SEEDS:
        raise NotDecidedError(
            f"needs at least {SEEDS} seeds shared by all compared cells, found {len(common)}"
        )

    def difference(seed: int) -> float:
        means = [[np.mean([v[seed] for v in side]) for side in pair] for pair in numbers]
        return float(np.mean([first - second for first, second in means]))

    return np.array([difference(seed) for seed in sorted(common)])


def judge_difference(
    pairs: Sequence[Pair],
    *,
    values: Callable[[Cell], Mapping[int, float]],
    margin: float,
    differ: str,
    effect_name: str,
    resolution: float = RESOLUTION,
    all_rates: bool = False,
) -> Verdict:
    """Judge the claim that the first kind of cell has larger values than the second, in decades.

    Pairs in which neither kind learned the task are left out.

    Parameters
    ----------
    pairs : sequence of pairs
        Cells to compare, as from `matched`.
    values : callable
        ``values(cell)`` by seed.
    margin : float
        The smallest difference that supports the prediction.
    differ : str
        What the two kinds differ in, for messages.
    effect_name : str
        Name of the difference.
    resolution : float
        Passed to `mean_interval`.
    all_rates : bool
        Whether the values depend on runs at all learning rates.

    Raises
    ------
    NotDecidedError
        No pair, no pair that learned, or too few seeds.
    """
    if not pairs:
        raise NotDecidedError(f"the study has no two cells that differ only in {differ}")
    learned = [pair for pair in pairs if any(c.learned for side in pair for c in side)]
    if not learned:
        raise NotDecidedError(f"nothing learned its task, whatever {differ}")
    estimate = mean_interval(differences_by_seed(learned, values), resolution)
    return Verdict.of(
        estimate,
        compare(estimate, margin),
        effect_name=effect_name,
        unit="decades",
        **count((c for pair in learned for side in pair for c in side), all_rates=all_rates),
    )


def _finite(values: Mapping[int, float]) -> dict[int, float]:
    return {seed: value for seed, value in values.items() if np.isfinite(value)}
