from __future__ import annotations

import numpy as np
import pytest

from mfbench.evaluation.level import check_floor
from mfbench.evaluation.optimum import optimisation_part


def test_the_optimisation_part_is_decades_above_the_floor() -> None:
    assert optimisation_part(0.1, 0.01) == pytest.approx(1)
    assert optimisation_part(0.01, 0.01) == 0
    assert optimisation_part(1e-5, 0.0) == pytest.approx(1)  # float32 does not resolve below 1e-6
    assert np.isfinite(optimisation_part(0.0, 0.0))


def test_only_errors_clearly_below_the_floor_are_refused() -> None:
    for error in (0.5, 0.4, 0.4 * (1 - 5e-5)):
        check_floor(error, 0.4, model="m")
    check_floor(0.0, 9e-7, model="m")
    with pytest.raises(ValueError, match=r"^m is linear and .* 0\.39, below the floor of 0\.4"):
        check_floor(0.39, 0.4, model="m")
