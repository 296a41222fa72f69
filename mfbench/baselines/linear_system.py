"""The best linear system of a given state size."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mfbench.tasks.kernels.marks import Marks
from mfbench.tasks.kernels.memory import window_weights


def best_response(
    k: NDArray[np.float64], order: int, *, scored_from: int, marks: Marks | None = None
) -> NDArray[np.float64]:
    """Impulse response (T,) from x of the best linear system of this order that the floors find.

    Marks are no help to a linear system, so in marked tasks it fits what x alone says about the
    target, as in `mfbench.floors.netcdf.Floors.of_linear_model`.

    Parameters
    ----------
    k : (T,) array
        Memory function.
    order : int
        Number of real states, below T; lag 0 costs none.
    scored_from : int
        First scored step.
    marks : Marks, optional
        How the task uses marks.
    """
    from mfbench.floors.upper import upper_bound  # scipy is slow to import

    seen = k if marks is None else marks.linear_kernel(k)
    weights = window_weights(len(k), scored_from)
    return upper_bound(seen, weights, order, feedthrough=True).impulse_response
