"""Failure boundaries over the size of the model: who remembers more at equal cost?"""

from __future__ import annotations

from typing import Any

import altair as alt
import xarray as xr

from mfbench.figures import theme
from mfbench.figures.tables import boundary_table, has

_SIZES = {
    "parameters": "parameters",
    "state_size": "reals in the state",
    "multiply_adds": "multiply-adds per step",
    "seconds": "training time of a member (s)",
}


def draw(cube: xr.Dataset) -> Any:
    """One panel per kernel, one mark per architecture and width; a list chooses the size."""
    title = "How long a memory can be learned, by size of the model"
    if not has(cube, "boundary_censored"):
        return theme.nothing(title=title, why="This cube has no failure boundaries.")
    table = boundary_table(cube)
    keys = ["architecture", "width"]
    found = {name: cube[name].reset_coords(drop=True) for name in _SIZES if name in cube.variables}
    found["seconds"] = found["seconds"].mean([d for d in cube.seconds.dims if d not in keys])
    sizes = xr.Dataset(found)
    table = table.merge(sizes.to_dataframe(dim_order=keys).reset_index(), on=keys)
    table = table[["kernel", *keys, "censored", "at", "memory_length", *sizes]]
    shown = alt.param(
        name="size",
        value="parameters",
        bind=alt.binding_select(
            options=list(sizes), labels=[_SIZES[str(name)] for name in sizes], name="x axis: "
        ),
    )
    base = (
        alt.Chart(table)
        .add_params(shown)
        .transform_calculate(chosen="datum[size]")
        .transform_filter("isValid(datum.chosen)")
        .encode(
            x=alt.X(
                "chosen:Q",
                scale=alt.Scale(type="log", nice=False, padding=12),
                axis=alt.Axis(format="~s", tickCount=5),
                title="parameters, or the size chosen below",
            ),
            y=theme.boundary_axis(cube),
            color=theme.architecture_colour(cube),
            tooltip=[*keys, "kernel", "censored", "memory_length", *map(str, sizes)],
        )
    )
    outside = {"== 'below'": "triangle-down", "== 'above'": "triangle-up"}
    panel = alt.layer(*theme.boundary_points(base, outside)).properties(width=330, height=220)
    return theme.styled(
        theme.by_kernel(panel, cube),
        title=title,
        subtitle=[
            "Effective memory length at which half of the seeds succeed. Open triangles: the "
            "boundary lies outside the study's levels, on the side they point to.",
            "In the report, a list below the figure chooses parameters, state, multiply-adds or "
            "time.",
        ],
    )
