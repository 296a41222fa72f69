"""Floors: the lowest error that a model of a given size can reach on a task.

`lower_bound` is certified and `upper_bound` returns a system that attains it; the error of the best
linear recurrence of that order lies between the two. `fir_floor` is exact for a finite receptive
field. `stable_floor` penalises terms that cancel each other. docs/theory.md derives all four.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mfbench.floors.finite import fir_floor
    from mfbench.floors.lower import lower_bound
    from mfbench.floors.stable import stable_floor
    from mfbench.floors.table import FloorTable, floor_table, order_for_error
    from mfbench.floors.upper import LinearSystem, upper_bound

__all__ = [
    "FloorTable",
    "LinearSystem",
    "fir_floor",
    "floor_table",
    "lower_bound",
    "order_for_error",
    "stable_floor",
    "upper_bound",
]

_HOMES = ("finite", "lower", "stable", "table", "upper")


def __getattr__(name: str) -> Any:
    # Imported on first use: most jobs only read floors, which does not need scipy.
    if name in __all__:
        for home in _HOMES:
            module = importlib.import_module(f"mfbench.floors.{home}")
            if hasattr(module, name):
                return getattr(module, name)
    raise AttributeError(f"module 'mfbench.floors' has no attribute {name!r}")
