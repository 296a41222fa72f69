"""Failure boundaries as short texts."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from mfbench.cube.monotone import NOT_MONOTONE
from mfbench.figures.tables import boundary_table, has, short_steps


def boundary_texts(cube: xr.Dataset) -> dict[tuple[str, int, str], dict[str, Any]]:
    """Describe the failure boundary of each trained (architecture, width, kernel).

    Returns
    -------
    dict
        ``text``: '12 [8, 16]'; '12 [8, > 16]' if the interval ends beyond the levels;
        '> 64 [32, > 64]' if the boundary lies beyond them too; '> 64' or '< 4' if the whole
        interval does. A dagger marks success that is not monotone in difficulty.
        ``share``: position of the boundary from 0 (fails at the easiest level) to 1 (at the
        hardest M99 of the kernel or beyond).
    """
    if not has(cube, "boundary_monotone_p_value"):
        return {}
    hardest = cube.memory_length.max("level")
    rows = [{str(k): v for k, v in row.items()} for row in boundary_table(cube).to_dict("records")]
    return {
        (row["architecture"], row["width"], row["kernel"]): {
            "text": _text(row) + ("†" if row["monotone_p_value"] <= NOT_MONOTONE else ""),
            "share": _place(row) / float(hardest.sel(kernel=row["kernel"])),
        }
        for row in rows
    }


def _place(row: dict[str, Any]) -> float:
    places = {"below": 0.0, "none": row["memory_length"], "above": row["hardest"]}
    return float(places[row["censored"]])


def _text(row: dict[str, Any]) -> str:
    easiest, hardest = f"{row['easiest']:.0f}", f"{row['hardest']:.0f}"
    below, above = f"< {easiest}", f"> {hardest}"
    low, high = row["memory_length_low"], row["memory_length_high"]
    left = f"{low:.0f}" if np.isfinite(low) else below
    right = f"{high:.0f}" if np.isfinite(high) else above
    if row["censored"] == "none":
        return f"{short_steps(row['memory_length'])} [{left}, {right}]"
    if row["censored"] == "below":
        return below if right == easiest else f"{below} [{left}, {right}]"
    return above if left == hardest else f"{above} [{left}, {right}]"
