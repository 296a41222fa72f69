"""Count the cells whose selected learning rates lie at an edge of the grid."""

from __future__ import annotations

import xarray as xr

from mfbench.cube.failure_boundaries import success_threshold
from mfbench.figures.tables import error_table, has

_EDGES = {"lowest": -1, "highest": 1}


def edge_counts(cube: xr.Dataset) -> dict[str, int]:
    """Count the cells in which the lowest or highest learning rate is selected for most seeds.

    Returns
    -------
    dict
        ``cells``, ``lowest``, ``lowest_unsolved``, ``highest``, ``highest_unsolved``; empty if no
        cell had a choice.
    """
    if not has(cube, "selected_rate_edge"):
        return {}
    edges = cube.selected_rate_edge.to_dataframe(name="edge").edge.dropna()
    names = list(edges.index.names)
    cells = error_table(cube).set_index(names).join(edges, how="inner")
    unsolved = ~(cells["median"] < success_threshold(cube))
    counts = {"cells": len(cells)}
    for name, edge in _EDGES.items():
        here = cells.edge == edge
        counts |= {name: int(here.sum()), f"{name}_unsolved": int((here & unsolved).sum())}
    return counts
