"""Count the cells whose selected learning rates lie inside the grid or at an edge of it."""

from __future__ import annotations

import xarray as xr

from mfbench.cube.failure_boundaries import success_threshold
from mfbench.figures.tables import error_table, has

_EDGES = {"_inside": 0, "_lowest": -1, "_highest": 1}


def edge_counts(cube: xr.Dataset) -> dict[str, int]:
    """Count the cells by where the learning rate of most seeds lies among those of the cell.

    Returns
    -------
    dict
        ``solved`` and ``unsolved``, each also with ``_inside``, ``_lowest`` and ``_highest``; empty
        if no cell had a choice.
    """
    if not has(cube, "selected_rate_edge"):
        return {}
    edges = cube.selected_rate_edge.to_dataframe(name="edge").edge.dropna()
    names = list(edges.index.names)
    cells = error_table(cube).set_index(names).join(edges, how="inner")
    solved = cells["median"] < success_threshold(cube)
    counts = {}
    for name, these in {"solved": cells[solved], "unsolved": cells[~solved]}.items():
        counts[name] = len(these)
        counts |= {name + where: int((these.edge == at).sum()) for where, at in _EDGES.items()}
    return counts
