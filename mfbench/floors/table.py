"""Floors of one task for many state sizes at once, and the order of the task."""

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
    """Floors over ascending state sizes; none of them rises with the size.

    Attributes
    ----------
    orders : (N,) int array
        State sizes n.
    lower : (N,) array
        Certified lower bounds of the relative error.
    systems : tuple of LinearSystem
        The best systems found; their errors are the upper bounds.
    stable_real, stable_complex : (N,) arrays
        Delta-stable floors with real positive poles, and with conjugate pairs as well.
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

    What holds for one order says something about others: a lower bound holds for every smaller
    order, and a system with poles at 0 added is one of a larger order. Both are used, so that
    the table falls with the order.

    Parameters
    ----------
    k, weights : (T,) arrays
        Memory function and window weights over lag.
    orders : sequence of int
        State sizes.
    delta : float
        Relative disturbance of terms for the delta-stable floors.
    feedthrough : bool
        Lag 0 costs no state.

    Raises
    ------
    ValueError
        As `lower_bound` and `stable_floor`.
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
    """The order of a task: the least state size at which a linear system reaches an error.

    With the default, n01. Found by bisection over the systems of `upper_bound`, without
    feedthrough: it is attained, and a smaller one may exist that the search has missed.

    Raises
    ------
    ValueError
        Arrays that do not fit together, or a kernel without energy.
    """
    low, high = 0, 1  # too small; not known
    while upper_bound(k, weights, high).error > error:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        if upper_bound(k, weights, middle).error > error:
            low = middle
        else:
            high = middle
    return high
