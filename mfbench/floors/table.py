"""Floors of one task for many state sizes, and the order of the task."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mfbench.floors.lower import lower_bound
from mfbench.floors.problem import Array
from mfbench.floors.stable import stable_floors
from mfbench.floors.upper import LinearSystem, improve, upper_bound


@dataclass(frozen=True)
class FloorTable:
    """Floors over ascending state sizes; no floor rises with the size.

    Attributes
    ----------
    orders : (N,) int array
        State sizes n.
    lower : (N,) array
        Certified lower bounds of the relative error.
    systems : tuple of LinearSystem
        The best systems found; their errors are the upper bounds.
    stable_real, stable_complex : (N,) arrays
        Delta-stable floors with real positive poles only, and with conjugate pairs as well.
    """

    orders: NDArray[np.int_]
    lower: Array
    systems: tuple[LinearSystem, ...]
    stable_real: Array
    stable_complex: Array

    @property
    def upper(self) -> Array:
        """Upper bounds (N,): the errors of the systems."""
        return np.array([system.error for system in self.systems])


def floor_table(
    k: NDArray[np.floating],
    weights: NDArray[np.floating],
    orders: Sequence[int],
    *,
    delta: float = 1e-2,
    feedthrough: bool = False,
) -> FloorTable:
    """All floors of a task.

    A lower bound also holds for every smaller order, and adding poles at 0 to a system gives one of
    larger order. The table uses both, so its floors never rise with the order.

    Parameters
    ----------
    k, weights : (T,) arrays
        Memory function and window weights over lag.
    orders : sequence of int
        State sizes.
    delta : float
        Relative disturbance of each term in the delta-stable floors.
    feedthrough : bool
        Whether lag 0 costs no state.

    Raises
    ------
    ValueError
        As `lower_bound` and `stable_floors`.
    """
    ascending = sorted(set(orders))
    lower = [lower_bound(k, weights, n, feedthrough=feedthrough) for n in ascending]
    systems: list[LinearSystem] = []
    for n in ascending:
        system = upper_bound(k, weights, n, feedthrough=feedthrough)
        if systems and system.error > systems[-1].error:
            system = improve(k, weights, systems[-1], order=n)
        systems.append(system)
    real, both = stable_floors(k, weights, systems, delta=delta).T
    return FloorTable(
        orders=np.array(ascending),
        lower=np.maximum.accumulate(lower[::-1])[::-1],
        systems=tuple(systems),
        stable_real=real,
        stable_complex=both,
    )


def order_for_error(
    k: NDArray[np.floating], weights: NDArray[np.floating], *, error: float = 0.01
) -> int:
    """The order of a task: the smallest state size at which a linear system reaches an error.

    The default error gives n01. Bisects over `upper_bound`, without feedthrough: a system of the
    returned order reaches the error, but the search may have missed a smaller one.

    Raises
    ------
    ValueError
        Invalid arrays, or a kernel without energy.
    """
    low, high = 0, 1  # low is too small, high is not yet tried
    while upper_bound(k, weights, high).error > error:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        if upper_bound(k, weights, middle).error > error:
            low = middle
        else:
            high = middle
    return high
