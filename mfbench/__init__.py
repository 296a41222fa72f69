"""mfbench: what can a sequence model remember?

Every task is a target y_t = sum_s k(s) x_{t-s} with a known memory function k. Usually,
``import mfbench as mf``:

- tasks: `Task`, `memory_function`, `memory_length`, `floor`;
- models: `build`, `train`, `probe`, `load_model`;
- results of a study: `open`, whose Dataset has further methods in ``.mf``, and `reference`, which
  opens those of the reference study.

All is imported on first use, so that `import mfbench` costs next to nothing.
"""

from __future__ import annotations

import importlib
import pkgutil
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mfbench.api.cubes import open_cube as open  # noqa: A004
    from mfbench.api.cubes import reference
    from mfbench.api.floors import floor
    from mfbench.api.kernels import memory_function, memory_length
    from mfbench.api.models import build, load_model
    from mfbench.api.probe import probe
    from mfbench.api.tasks import Task
    from mfbench.api.training import train

__all__ = [
    "Task",
    "build",
    "floor",
    "load_model",
    "memory_function",
    "memory_length",
    "open",
    "probe",
    "reference",
    "train",
]

# The module in mfbench.api, and the name there if it is another one.
_HOMES = {
    "Task": "tasks",
    "build": "models",
    "floor": "floors",
    "load_model": "models",
    "memory_function": "kernels",
    "memory_length": "kernels",
    "open": "cubes.open_cube",
    "probe": "probe",
    "reference": "cubes",
    "train": "training",
}


def _packages() -> list[str]:
    return [module.name for module in pkgutil.iter_modules(__path__) if module.ispkg]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return importlib.import_module("importlib.metadata").version("mfbench")
    if name in _HOMES:
        home, _, attribute = _HOMES[name].partition(".")
        return getattr(importlib.import_module(f"mfbench.api.{home}"), attribute or name)
    if name in _packages():
        return importlib.import_module(f"mfbench.{name}")
    from mfbench.words import did_you_mean

    raise AttributeError(f"module 'mfbench' has no attribute {name!r}{did_you_mean(name, __all__)}")


def __dir__() -> list[str]:
    return sorted([*__all__, *_packages(), "__version__"])
