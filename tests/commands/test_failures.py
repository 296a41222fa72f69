"""Failed cells as `mfbench run`, `why` and `status` say them: once for each reason."""

from __future__ import annotations

from mfbench.commands.why import lines
from tests.results import FAILED, OK, Results


def test_equal_reasons_are_said_once_with_what_to_do(
    results: Results, easy: float, hard: float
) -> None:
    assert len(list(lines(results.study, {}))) == 1  # nothing failed
    results.training("rnn", "impulse", {3.0: OK})
    results.training("s4d", "impulse", {3.0: FAILED}, message="not causal")
    results.training("s4d", "exponential", {easy: FAILED, hard: FAILED}, message="not causal")
    _, count, cells, log, cure = "\n".join(lines(results.study, {})).splitlines()
    assert count == "3 cells of 6 failed and count as no result:"
    assert cells.startswith("  s4d, width 4, ")
    assert cells.endswith(" and 2 other cells: not causal")
    assert log.startswith("    see results/small/logs/training/study/s4d/")
    assert cure == "to look closer: `mfbench check s4d`"
