"""The sign floor against an optimiser, and verdicts on synthetic errors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.optimize import nnls

from mfbench.predictions.cells import cells
from mfbench.predictions.one_head_airy import sign_floor
from mfbench.predictions.verdict import CONTRADICTED, NOT_DECIDED, SUPPORTED
from tests.predictions.cubes import expect, make_cube, study_of, verdict_of

NAME = "one_head_airy"


def study(*heads: int, **changes: Any) -> Any:
    return study_of(
        kernels={"airy": {"memory_length": [16]}, "impulse": {"rho": [5]}},
        architectures={
            f"model-{i}": {
                "model": "transformer",
                "layers": 1,
                "widths": [8],
                "options": {"heads": n},
                **changes,
            }
            for i, n in enumerate(heads)
        },
    )


BOTH = study(1, 2, 4)


def solved(one: int, more: int) -> Any:
    """Low errors for the first `one` seeds of one head and the first `more` of several heads."""
    return lambda m: 0.001 if m.seed < (one if m.options["heads"] == 1 else more) else 0.3


def test_the_sign_floor_is_the_error_of_the_best_weights_of_one_sign() -> None:
    cell = next(c for c in cells(make_cube(BOTH, solved(0, 0))) if c.kernel == "airy")
    roots = np.sqrt(cell.data.weights.values)[1:]
    residuals = [nnls(np.diag(roots), sign * cell.k[1:])[1] for sign in (1, -1)]
    assert sign_floor(cell) == pytest.approx(min(residuals) ** 2)
    assert sign_floor(cell) > 0.05


def test_success_only_with_several_heads_supports() -> None:
    verdict = expect(
        verdict_of(NAME, make_cube(BOTH, solved(0, 4))), SUPPORTED, "4 of 5 seeds against 0 of 5"
    )
    assert verdict.effect == pytest.approx(0.8)
    assert verdict.runs == 15


def test_success_with_one_head_contradicts() -> None:
    expect(verdict_of(NAME, make_cube(BOTH, solved(3, 5))), CONTRADICTED, "against 3 of 5")


def test_no_success_decides_nothing_and_divergence_is_no_success() -> None:
    cube = make_cube(BOTH, lambda m: np.inf if m.seed == 0 else 0.3)
    verdict = expect(verdict_of(NAME, cube), NOT_DECIDED, "0 of 5 seeds against 0 of 5")
    assert verdict.diverged == 3


def test_the_reason_names_missing_models() -> None:
    expect(verdict_of(NAME, make_cube(study(2), solved(0, 5))), NOT_DECIDED, "one head")
    expect(verdict_of(NAME, make_cube(study(1), solved(0, 5))), NOT_DECIDED, "two or more heads")
    deep = make_cube(study(1, 2, layers=2), solved(0, 5))
    expect(verdict_of(NAME, deep), NOT_DECIDED, "one-layer")
