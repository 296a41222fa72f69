"""Figures by name, and their files."""

from __future__ import annotations

import importlib
import json
from typing import Any

import altair as alt
import xarray as xr

from mfbench.cubes import trained
from mfbench.figures import theme
from mfbench.storage import atomic, write_json

PIXELS_PER_POINT = 2.0  # sharp on a projector


def draw(figure: str, cube: xr.Dataset) -> Any:
    """The chart of one figure, a module of this package."""
    if not trained(cube).any():  # every cell failed
        title = figure.replace("_", " ").capitalize()
        return theme.nothing(title=title, why="No model of this study was trained.")
    module = importlib.import_module(f"mfbench.figures.{figure}")
    with alt.data_transformers.enable("default", max_rows=None):
        return module.draw(cube)


def write_figure(chart: Any, outputs: Any) -> None:
    """Write a chart in all formats.

    Parameters
    ----------
    chart : altair chart
    outputs : object with attributes html, svg, png, json
        The paths to write; the page carries all that it needs and works offline.
    """
    with alt.data_transformers.enable("default", max_rows=None):
        write_json(outputs.json, json.loads(chart.to_json()))
        for kind in ("svg", "png", "html"):
            options: dict[str, Any] = {"inline": True} if kind == "html" else {}
            if kind == "png":
                options["scale_factor"] = PIXELS_PER_POINT
            with atomic(getattr(outputs, kind)) as temporary:
                chart.save(str(temporary), format=kind, **options)
