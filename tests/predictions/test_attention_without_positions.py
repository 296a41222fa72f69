"""Verdicts on synthetic errors of attention with and without positions."""

from __future__ import annotations

from typing import Any

import pytest

from mfbench.predictions.verdict import CONTRADICTED, NOT_DECIDED, SUPPORTED
from tests.predictions.cubes import expect, make_cube, study_of, verdict_of

NAME = "attention_without_positions"


def study(*positions: str, layers: int = 1, lag: int = 5) -> Any:
    return study_of(
        kernels={"impulse": {"rho": [lag]}},
        architectures={
            f"model-{i}": {
                "model": "transformer",
                "layers": layers,
                "widths": [8],
                "options": {"positions": p},
            }
            for i, p in enumerate(positions)
        },
    )


BOTH = study("none", "rope")


def solved(without: int, having: int) -> Any:
    return lambda m: (
        0.001 if m.seed < (without if m.options["positions"] == "none" else having) else 0.98
    )


def test_success_only_with_positions_supports() -> None:
    verdict = expect(verdict_of(NAME, make_cube(BOTH, solved(0, 5))), SUPPORTED)
    assert verdict.effect == pytest.approx(1)
    assert verdict.runs == 10


def test_success_without_positions_contradicts() -> None:
    expect(
        verdict_of(NAME, make_cube(BOTH, solved(4, 5))), CONTRADICTED, "against 4 of 5, which do"
    )


def test_no_success_at_all_decides_nothing() -> None:
    expect(
        verdict_of(NAME, make_cube(BOTH, solved(0, 0))), NOT_DECIDED, "training may be the limit"
    )


def test_deeper_models_and_lag_zero_are_left_out() -> None:
    expect(verdict_of(NAME, make_cube(study("none", "rope", layers=2), solved(5, 5))), NOT_DECIDED)
    expect(verdict_of(NAME, make_cube(study("none", "rope", lag=0), solved(5, 5))), NOT_DECIDED)
    expect(
        verdict_of(NAME, make_cube(study("rope"), solved(0, 5))), NOT_DECIDED, "without positions"
    )
