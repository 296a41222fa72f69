"""Families by name: every module beside this one that defines `FAMILY` is a family.

Families are found by file name and imported one at a time. So adding or editing one leaves the
code of the others unchanged, and with it their cached results.
"""

from __future__ import annotations

import functools
import importlib
from pathlib import Path

from mfbench.tasks.kernels.family import Family


@functools.cache
def families() -> tuple[str, ...]:
    """Names of the registered families, in alphabetical order."""
    files = sorted(Path(__file__).parent.glob("*.py"))
    return tuple(f.stem for f in files if "\nFAMILY = " in f.read_text(encoding="utf-8"))


def family(name: str) -> Family:
    """The family of that name.

    Raises
    ------
    ValueError
        Unknown name; the message lists the families.
    """
    if name not in families():
        raise ValueError(f"no kernel family named {name!r}; choose from {', '.join(families())}")
    found: Family = importlib.import_module(f"mfbench.tasks.kernels.{name}").FAMILY
    return found
