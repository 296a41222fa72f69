"""Random signs at a few lags: no structure to exploit, so each lag has to be stored.

Eight lags are drawn once, as shares of `rho`; the last is `rho` itself. Where two of them fall on
the same step, the later one counts.
"""

import numpy as np
from numpy.typing import NDArray

from mfbench.tasks.kernels.family import Family

_LAGS = 8
_SEED = 2
# numpy promises the same raw numbers in all its versions (NEP 19), but not the same floats.
_DRAWN = np.random.PCG64(_SEED).random_raw(2 * _LAGS) / 2.0**64
SHARES = np.append(np.sort(_DRAWN[: _LAGS - 1]), 1.0)
SIGNS = np.where(_DRAWN[_LAGS:] < 0.5, -1.0, 1.0)


def _sparse_signs(rho: float, lag: NDArray[np.float64]) -> NDArray[np.float64]:
    k = np.zeros_like(lag)
    for share, sign in zip(SHARES, SIGNS, strict=True):
        k = np.where(lag == np.round(share * rho), sign, k)
    return k


FAMILY = Family(
    formula="k(s) = +1 or -1 at 8 lags, drawn once as shares of rho, else 0",
    knob="largest lag in steps",
    low=0.0,
    high=np.inf,
    integer=True,
    harder_when_larger=True,
    function=_sparse_signs,
    # Beyond 3/4 of the window, few scored steps see the last lag, so M99 may fall.
    grid=lambda length: np.arange(0.75 * length),
)
