"""The benchmark cube: assemble it, open it, select from it, merge it."""

from mfbench.cube.read import open_benchmark
from mfbench.cube.select import failed, longest, selected, trained

__all__ = ["failed", "longest", "open_benchmark", "selected", "trained"]
