"""Draw figures by name and write their files."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import altair as alt
import vl_convert
import xarray as xr
from altair.utils.html import spec_to_html

from mfbench.cube.select import longest, trained
from mfbench.figures import theme
from mfbench.figures.order import FIGURES, FORMATS
from mfbench.files import atomic, write_json, write_text

PIXELS_PER_POINT = 2.0  # sharp on a projector
# Altair's version of Vega-Lite, in the form that vl-convert expects, such as "6.1".
_VEGA_LITE = alt.SCHEMA_VERSION.removeprefix("v").rpartition(".")[0]


def write_figures(folder: str | Path, cube: xr.Dataset) -> dict[str, dict[str, Any]]:
    """Draw all figures of a cube and write each in all formats.

    Returns
    -------
    dict
        The Vega-Lite specification of each figure, by name.

    Raises
    ------
    Exception
        A figure cannot be drawn; a note on the exception names the figure.
    """
    specifications = {}
    for figure in FIGURES:
        try:
            specifications[figure] = draw(figure, cube)
            write_figure(Path(folder, figure), specifications[figure])
        except Exception as error:
            error.add_note(f"while drawing figure {figure}")
            raise
    return specifications


def draw(figure: str, cube: xr.Dataset) -> dict[str, Any]:
    """Draw one figure and return its Vega-Lite specification."""
    return _specification(chart_of(figure, cube))


def chart_of(figure: str, cube: xr.Dataset) -> Any:
    """Draw one figure as an altair chart."""
    if not trained(cube).any():  # every cell failed
        title = figure.replace("_", " ").capitalize()
        return theme.nothing(title=title, why="No model of this study was trained.")
    module = importlib.import_module(f"mfbench.figures.{figure}")
    whole = getattr(module, "ALL_BUDGETS", False)
    return module.draw(cube if whole else longest(cube))


def write_figure(path: Path, specification: dict[str, Any]) -> None:
    """Write a figure as .json (specification), .svg, .png and .html (interactive page).

    Parameters
    ----------
    path : path
        Path of the files without suffix.
    specification : dict
        The figure in Vega-Lite.
    """
    svg = _svg(specification)
    for suffix in (".json", *FORMATS):
        _write(path.with_suffix(suffix), specification, svg)


def save_chart(path: Path, chart: Any) -> None:
    """Write a chart in the format that the file's name says: .png, .svg or .html."""
    specification = _specification(chart)
    _write(path, specification, _svg(specification))


def _write(path: Path, specification: dict[str, Any], svg: str) -> None:
    if path.suffix == ".json":
        write_json(path, specification)
    elif path.suffix == ".html":
        write_text(path, _page(specification))
    elif path.suffix == ".svg":
        write_text(path, svg)
    else:
        with atomic(path) as temporary:
            temporary.write_bytes(vl_convert.svg_to_png(svg, scale=PIXELS_PER_POINT))


def _specification(chart: Any) -> dict[str, Any]:
    with alt.data_transformers.enable("default", max_rows=None):
        specification: dict[str, Any] = chart.to_dict()
    return specification


def _svg(specification: dict[str, Any]) -> str:
    return str(vl_convert.vegalite_to_svg(specification, vl_version=_VEGA_LITE))


def _page(specification: dict[str, Any]) -> str:
    return str(
        spec_to_html(
            specification,
            mode="vega-lite",
            vega_version=alt.VEGA_VERSION,
            vegalite_version=alt.VEGALITE_VERSION,
            vegaembed_version=alt.VEGAEMBED_VERSION,
            template="inline",
        )
    )


def javascript() -> str:
    """Return Vega, Vega-Lite and vega-embed as one script, for pages that work offline."""
    bundle: Any = vl_convert.javascript_bundle  # its stub lacks the default of its first argument
    return str(bundle(vl_version=_VEGA_LITE))
