"""Time weights of the training loss."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def time_weights(power: float, *, length: int, scored_from: int) -> NDArray[np.float64]:
    """Weights (t + 1)^p of the residual at the scored steps, scaled to a mean of 1, (T - t0,).

    This is the rescaled error of Wang & Yan, arXiv 2307.11462. As in the authors' code, the
    weighted residual is squared.

    Parameters
    ----------
    power : float
        p; 0 gives equal weights.
    length : int
        Sequence length T.
    scored_from : int
        First scored step t0.
    """
    # Relative to the largest weight, so that no power overflows.
    relative = np.arange(scored_from + 1, length + 1) / length
    logs = power * np.log(relative)
    weights = np.exp(logs - logs.max())
    scaled: NDArray[np.float64] = weights / weights.mean()
    return scaled
