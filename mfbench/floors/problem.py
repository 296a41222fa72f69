"""The approximation problem behind all floors, checked and normalised."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Problem:
    """Minimise sum_s w_s (k_s - h_s)^2 over a class of responses h.

    Attributes
    ----------
    k, weights : (L,) arrays
        The lags to fit, with sum w k^2 = `energy`. Lag 0 is left out if a feedthrough fits it, and
        so are the last lags if they have no weight.
    energy : float
        Share of the kernel's energy in these lags: the relative error of the zero response.
    scale : float
        The given kernel is `scale` times `k`.
    lag_zero : float or None
        The feedthrough, in the units of the given kernel.
    length : int
        Number of lags T of the given kernel.
    """

    k: Array
    weights: Array
    energy: float
    scale: float
    lag_zero: float | None
    length: int

    def relative_error(self, h: Array) -> float:
        """Error of a response h in the units of `k`, relative to the energy of the whole kernel."""
        return float(np.sum(self.weights * (self.k - h) ** 2))

    def complete(self, h: Array) -> Array:
        """A response h over all lags, in the given kernel's units; 0 at lags without weight."""
        front = np.zeros(0) if self.lag_zero is None else np.array([self.lag_zero])
        tail = np.zeros(self.length - len(front) - len(h))
        return np.concatenate([front, self.scale * h, tail])


def pose(
    k: NDArray[np.floating], weights: NDArray[np.floating], order: int, *, feedthrough: bool
) -> Problem:
    """Check and normalise the arguments that all floors share.

    Raises
    ------
    ValueError
        Arrays that are not one-dimensional, finite and of the same length; weights that are
        negative, or zero before the last positive one; a kernel without energy; an order below 0.
    """
    k, weights = (np.array(a, dtype=np.float64) for a in (k, weights))
    if k.ndim != 1 or k.shape != weights.shape or not k.size:
        raise ValueError(
            f"k and weights must be (T,) arrays of the same length, not {k.shape}, {weights.shape}"
        )
    if not (np.isfinite(k).all() and np.isfinite(weights).all()):
        raise ValueError("k and weights must be finite")
    if order < 0 or int(order) != order:
        raise ValueError(f"order = {order} must be a whole number, 0 or more")
    last = int(np.max(np.flatnonzero(weights), initial=-1)) + 1
    if not last or np.any(weights[:last] <= 0):
        raise ValueError("weights must be positive up to some lag and 0 after it")
    largest = np.max(np.abs(k[:last]))
    if not largest > 0:
        raise ValueError("a memory function without energy has no floor")
    scale = float(largest * np.sqrt(np.sum(weights[:last] * (k[:last] / largest) ** 2)))
    first = int(feedthrough)
    seen: Array = k[first:last] / scale
    w: Array = weights[first:last]
    return Problem(
        k=seen,
        weights=w,
        energy=float(np.sum(w * seen**2)),
        scale=scale,
        lag_zero=float(k[0]) if feedthrough else None,
        length=len(k),
    )
