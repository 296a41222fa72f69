from __future__ import annotations

import numpy as np
import pytest

from mfbench.floors.table import floor_table, order_for_error
from mfbench.floors.upper import upper_bound
from mfbench.tasks.kernels.memory import memory_function, rho_for_memory_length, window_weights

T = 32
W = window_weights(T, 16)


@pytest.mark.parametrize(
    ("family", "rho", "feedthrough"), [("impulse", 15, True), ("polynomial", 0.8, False)]
)
def test_floors_fall_with_the_order_and_keep_their_ranking(
    family: str, rho: float, feedthrough: bool
) -> None:
    k = memory_function(family, rho, T, W)
    table = floor_table(k, W, [5, 1, 2, 3, 16], feedthrough=feedthrough)
    assert table.orders.tolist() == [1, 2, 3, 5, 16]
    for values in (table.lower, table.upper, table.stable_real, table.stable_complex):
        assert np.all(np.diff(values) <= 1e-13)
    assert np.all(table.lower <= table.upper + 1e-13)
    assert np.all(table.stable_complex <= table.stable_real)
    assert [system.order for system in table.systems] == [1, 2, 3, 5, 16]


def test_orders_of_the_families() -> None:
    orders = {
        family: order_for_error(
            memory_function(family, rho_for_memory_length(family, 16, T, W), T, W), W
        )
        for family in ("exponential", "polynomial", "airy", "impulse")
    }
    assert orders["exponential"] == 1
    assert orders["polynomial"] <= 3
    assert orders["airy"] < 8
    assert orders["impulse"] == 16


def test_the_order_is_the_smallest_that_reaches_the_error() -> None:
    k = memory_function("airy", 20.0, T, W)
    order = order_for_error(k, W, error=0.1)
    assert upper_bound(k, W, order).error <= 0.1 < upper_bound(k, W, order - 1).error
