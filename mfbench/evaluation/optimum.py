"""The distance of a model's error from the floor for its size."""

from __future__ import annotations

import numpy as np

RESOLVED = 1e-6  # training in float32 cannot resolve smaller relative errors


def optimisation_part(error: float, upper_floor: float) -> float:
    """Decades of error above the best linear system of this size: log10(MSE / max(UB, 1e-6)).

    It is about 0 or less if training reaches the best error that the size allows. Added to the
    approximation part log10(UB), it gives log10(MSE) while UB is above 1e-6.
    """
    return float(np.log10(max(error, np.finfo(float).tiny) / max(upper_floor, RESOLVED)))
