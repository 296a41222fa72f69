"""Matching cells and comparing them by seed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from mfbench.predictions.cells import Cell, cells, score
from mfbench.predictions.differences import differences_by_seed, judge_difference, matched
from mfbench.predictions.verdict import SUPPORTED, NotDecidedError
from tests.predictions.cubes import Member, make_cube, study_of

STUDY = study_of(
    kernels={"impulse": {"rho": [3, 5]}},
    architectures={"s4d": {"widths": [2, 4, 8], "options": {"state": 4}}},
    training={"learning_rates": [0.01], "seeds": [0, 1, 2]},
)


def found(error: Any = lambda m: 0.01) -> dict[int, list[Cell]]:
    """Cells by width."""
    made = cells(make_cube(STUDY, error))
    return {w: [c for c in made if c.width == w] for w in (2, 4, 8)}


def test_cells_are_matched_by_keys_that_both_kinds_have() -> None:
    by = found()
    pairs = matched(by[2][:1], [*by[4], *by[8]], lambda c: c.on)
    assert [(len(a), len(b)) for a, b in pairs] == [(1, 2)]
    assert len({c.on for side in pairs[0] for c in side}) == 1


def test_differences_are_averaged_over_pairs_for_each_seed_that_all_cells_have() -> None:
    by = found()
    pairs = matched(by[4], by[2], lambda c: c.on)
    np.testing.assert_allclose(
        differences_by_seed(pairs, lambda c: {s: c.width + c.rho * s for s in c.seeds}), [2, 2, 2]
    )
    with pytest.raises(NotDecidedError, match=r"at least 3 seeds .*, found 1"):
        differences_by_seed(pairs, lambda c: {c.width % 4: 1.0, 7: 2.0})
    with pytest.raises(NotDecidedError, match="found 2"):
        differences_by_seed(pairs, lambda c: {0: 1.0, 1: 1.0, 2: np.nan})


def test_tasks_that_neither_kind_learned_are_left_out() -> None:
    def error(m: Member) -> float:
        return 1.0 if m.rho == 5 else 0.01 * m.wobble * m.width

    by = found(error)
    how: Any = {"values": score, "margin": 0.1, "differ": "the width", "effect_name": "x"}
    verdict = judge_difference(matched(by[8], by[2], lambda c: c.on), **how)
    assert (verdict.verdict, verdict.runs) == (SUPPORTED, 6)
    assert verdict.effect == pytest.approx(np.log10(4))
    with pytest.raises(NotDecidedError, match="nothing learned its task, whatever the width"):
        judge_difference([(by[8][1:], by[2][1:])], **how)
    with pytest.raises(NotDecidedError, match="no two cells that differ only in the width"):
        judge_difference([], **how)
