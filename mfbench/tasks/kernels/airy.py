"""An Airy function: oscillations that grow up to a turning point, then vanish.

The rate c = (w0^2 / rho)^(1/3) keeps the local frequency at lag 0 at w0 for every `rho`. So `rho`
moves the turning point, and nothing aliases.
"""

import numpy as np
from numpy.typing import NDArray

from mfbench.tasks.kernels.family import Family

W0 = np.pi / 4  # local angular frequency at lag 0, radians per step


def _airy(rho: float, lag: NDArray[np.float64]) -> NDArray[np.float64]:
    from scipy.special import airy  # takes half a second to import; only this family needs it

    c = (W0**2 / rho) ** (1 / 3)
    return np.asarray(airy(c * (lag - rho))[0], dtype=np.float64)


FAMILY = Family(
    formula="k(s) = Ai(c (s - rho)), c = ((pi/4)^2 / rho)^(1/3)",
    knob="lag of the turning point in steps",
    low=0.0,
    high=np.inf,
    harder_when_larger=True,
    function=_airy,
    grid=lambda length: np.geomspace(1e-2, float(length), 400),
)
