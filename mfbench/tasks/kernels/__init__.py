"""Memory functions: families with one knob, `rho`, and their common axis, M99."""

from mfbench.tasks.kernels.lookup import families
from mfbench.tasks.kernels.memory import (
    memory_function,
    memory_length,
    rho_for_memory_length,
    window_weights,
)

__all__ = [
    "families",
    "memory_function",
    "memory_length",
    "rho_for_memory_length",
    "window_weights",
]
