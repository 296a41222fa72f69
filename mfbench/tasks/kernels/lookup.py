"""Families by name: each module in this folder that defines `FAMILY` is a registered family.

They are found by file name and imported one at a time. So adding or editing one invalidates no
cached results of the others.
"""

from __future__ import annotations

import functools
import importlib
from pathlib import Path

from mfbench.tasks.kernels.family import Family
from mfbench.tasks.kernels.own import own_kernel


@functools.cache
def families() -> tuple[str, ...]:
    """Names of the registered families, in alphabetical order."""
    files = sorted(Path(__file__).parent.glob("*.py"))
    return tuple(f.stem for f in files if "\nFAMILY = " in f.read_text(encoding="utf-8"))


def family(name: str | Family) -> Family:
    """Return the family with this name.

    Parameters
    ----------
    name : str or Family
        Name of a registered family, or a reference to a user's file (`own_kernel`); a family
        stands for itself.

    Raises
    ------
    ValueError
        The name is neither; the message lists what is allowed.
    """
    if isinstance(name, Family):
        return name
    if name not in families():
        if ".py:" in name or name.endswith((".npy", ".nc")):
            return own_kernel(name).family
        if name.endswith(".py"):
            raise ValueError(f"{name!r} names a file but no family: give {name}:FAMILY")
        raise ValueError(
            f"no kernel family named {name!r}; choose from {', '.join(families())}, "
            "or give path/to/file.py:FAMILY, or values in path/to/file.npy"
        )
    found: Family = importlib.import_module(f"mfbench.tasks.kernels.{name}").FAMILY
    return found
