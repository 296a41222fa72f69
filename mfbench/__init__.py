"""mfbench: what can a sequence model remember?

Every task is a target y_t = sum_s k(s) x_{t-s} with a known memory function k. The workflow in
Snakefile trains architectures over a continuum of such tasks; this package holds its logic.

Submodules are imported on first use, so that `import mfbench` costs next to nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mfbench.cube.read import open_benchmark

__all__ = ["open_benchmark"]

_SUBMODULES = (
    "cube",
    "evaluation",
    "figures",
    "floors",
    "models",
    "predictions",
    "report",
    "study",
    "tasks",
    "training",
)


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return importlib.import_module("importlib.metadata").version("mfbench")
    if name == "open_benchmark":
        return importlib.import_module("mfbench.cube.read").open_benchmark
    if name in _SUBMODULES:
        return importlib.import_module(f"mfbench.{name}")
    raise AttributeError(f"module 'mfbench' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_SUBMODULES, *__all__])
