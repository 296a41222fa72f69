"""Two bumps of equal size: one near, at lag 1, and one far, which `rho` moves.

A model that learns the near bump alone is left with half of the error, so training may stall there.
"""

import numpy as np
from numpy.typing import NDArray

from mfbench.tasks.kernels.family import Family

_NEAR = 1.0  # lag; a width of 1 step is enough for the energy not to depend on where a bump lies


def _two_bumps(rho: float, lag: NDArray[np.float64]) -> NDArray[np.float64]:
    near, far = (np.exp(-((lag - centre) ** 2) / 2) for centre in (_NEAR, rho))
    return np.asarray(near + far)


FAMILY = Family(
    formula="k(s) = exp(-(s - 1)^2 / 2) + exp(-(s - rho)^2 / 2)",
    knob="lag of the far bump in steps",
    low=1.0,
    high=np.inf,
    harder_when_larger=True,
    function=_two_bumps,
    # Beyond 3/4 of the window, few scored steps see the far bump, so M99 may fall.
    grid=lambda length: 1.0 + np.geomspace(1e-2, 0.75 * length, 200),
)
