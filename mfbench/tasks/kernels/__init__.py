"""Memory functions: the families, their one knob `rho` and the common axis M99."""

from mfbench.tasks.kernels.memory import (
    memory_function,
    memory_length,
    rho_for_memory_length,
    window_weights,
)
from mfbench.tasks.kernels.registry import families

__all__ = [
    "families",
    "memory_function",
    "memory_length",
    "rho_for_memory_length",
    "window_weights",
]
