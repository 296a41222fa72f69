"""The version of the layout of cubes, so that newer and older files are told apart.

0
    Cubes without a version, before 0.2.
1
    The attribute ``schema_version``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import xarray as xr

SCHEMA_VERSION = 1


def check_version(attributes: Mapping[Any, Any]) -> str:
    """Why this version of mfbench cannot read a cube; empty if it can."""
    found = attributes.get("schema_version", 0)
    if found <= SCHEMA_VERSION:
        return ""
    writer = attributes.get("source", "a newer mfbench")
    return (
        f"its layout has version {found}, but this mfbench reads versions up to {SCHEMA_VERSION}: "
        f"upgrade mfbench (the file is from {writer})"
    )


def upgraded(cube: xr.Dataset) -> xr.Dataset:
    """Convert a cube of an earlier layout to this version, as far as its own numbers allow."""
    chosen = cube.get("selected_learning_rate")
    if chosen is not None and "seed" in cube.dims and "seed" not in chosen.dims:
        # The first cubes chose one rate for all seeds of a cell.
        chosen = chosen.expand_dims(seed=cube.seed, axis=-1)
        cube = cube.assign(selected_learning_rate=chosen.copy())
    return cube
