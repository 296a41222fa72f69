"""The floors of a model, given its state size and its receptive field."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mfbench.floors.finite import fir_floor


def model_floor(
    k: NDArray[np.float64],
    weights: NDArray[np.float64],
    *,
    state_size: int | None = None,
    receptive_field: int | None = None,
    seen: NDArray[np.float64] | None = None,
) -> tuple[float, float]:
    """Lower and upper floor of a linear time-invariant model; lag 0 costs no state.

    With both sizes, the upper floor is that of a recurrence whose response is cut off at the
    receptive field.

    Parameters
    ----------
    k, weights : (T,) arrays
        Memory function and window weights over lag.
    state_size : int or None
        Real numbers carried from step to step; None if their number is not fixed. From T on, every
        memory function can be stored and the floor is 0.
    receptive_field : int or None
        Lags that reach the output; None if there is no limit. Beyond it nothing is predicted, which
        binds nonlinear models just as well.
    seen : (T,) array, optional
        Instead of a receptive field: share of the scored steps at which it holds a lag.
    """
    if seen is None:
        last = len(k) if receptive_field is None else min(receptive_field, len(k))
        k, seen, tail = k[:last], weights[:last], fir_floor(k, weights, last)
    else:
        tail = float(np.sum((weights - seen) * k**2))
    if state_size is None or state_size >= np.count_nonzero(seen) or not np.any(seen * k):
        return tail, tail
    # Reading floors needs none of these, and scipy is slow to import.
    from mfbench.floors.lower import lower_bound
    from mfbench.floors.upper import upper_bound

    lower = lower_bound(k, seen, state_size, feedthrough=True)
    upper = upper_bound(k, seen, state_size, feedthrough=True).error
    return tail + (1 - tail) * lower, tail + (1 - tail) * upper
