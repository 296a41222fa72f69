"""Write the report as one HTML page, from the template page.html."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
import pandas as pd
import xarray as xr
import yaml

from mfbench.cube.failure_boundaries import success_threshold
from mfbench.cube.monotone import NOT_MONOTONE
from mfbench.cube.select import failed, longest, trained
from mfbench.figures.export import javascript
from mfbench.figures.tables import resolved_error
from mfbench.figures.theme import architecture_colours
from mfbench.files import write_text
from mfbench.report.boundary import boundary_texts
from mfbench.report.capacity import capacity_table
from mfbench.report.notes import NOTES
from mfbench.report.optimum import distance_table
from mfbench.report.summary import summary_table
from mfbench.report.tables import (
    baseline_rows,
    causes_by_model,
    difference_table,
    edge_counts,
    failed_messages,
    kernel_rows,
    slope_rows,
)
from mfbench.words import counted


def write_report(
    path: str | Path, *, cube: xr.Dataset, figures: Mapping[str, dict[str, Any]]
) -> None:
    """Write the report of a cube.

    Parameters
    ----------
    path : path
        HTML file to write.
    cube : Dataset
        The benchmark cube.
    figures : mapping
        Vega-Lite specifications by figure name, in the order of the page.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"counted": counted, "count": _count, "floor": _floor, "times": _times}
    settings, slopes = json.loads(cube.attrs["settings"]), slope_rows(cube)
    cube = longest(cube)
    page = environment.get_template("page.html").render(
        study=settings["name"],
        cube=cube,
        settings=yaml.safe_dump(settings, sort_keys=False, allow_unicode=True),
        task=settings["task"],
        training=settings["training"],
        versions=json.loads(cube.attrs["package_versions"]),
        commit=cube.attrs["git_commit"],
        written=cube.attrs["history"].partition(": ")[0],
        summary=_rows(cube),
        baselines=baseline_rows(cube),
        distances=_records(cube, distance_table(cube)),
        capacities=_records(cube, capacity_table(cube)),
        differences=difference_table(cube).to_dict("split"),
        kernels=kernel_rows(cube),
        tasks=int(cube.rho.count()),
        success=success_threshold(cube),
        not_monotone=NOT_MONOTONE,
        edges=edge_counts(cube),
        rates_tried=_rates_tried(settings),
        members=int(trained(cube).sum()),
        diverged=int((cube.status == "diverged").sum()),
        failed=int(failed(cube).sum()),
        failed_cells=failed_messages(cube),
        causes=causes_by_model(cube),
        slopes=slopes,
        figures=[
            {"name": name, "json": _embedded(specification), "note": NOTES.get(name, "")}
            for name, specification in figures.items()
        ],
        script=javascript(),
    )
    write_text(path, page)


def _rates_tried(settings: dict[str, Any]) -> int:
    """Number of learning rates of each cell."""
    pilot = settings.get("pilot")
    return pilot["keep"] if pilot else len(settings["training"]["learning_rates"])


def _embedded(specification: dict[str, Any]) -> str:
    """Serialise to JSON that cannot end the surrounding script element."""
    return json.dumps(specification, separators=(",", ":")).replace("</", "<\\/")


def _rows(cube: xr.Dataset) -> Iterable[dict[Any, Any]]:
    boundaries = boundary_texts(cube)
    nothing = {"text": "–", "share": 0.0}
    for row in _records(cube, summary_table(cube)):
        tasks = row["linear_system_tasks"]
        row["linear_system"] = f"{row['linear_system']} of {tasks}" if tasks else "–"
        row["boundaries"] = [
            boundaries.get((row["architecture"], row["width"], kernel), nothing)
            for kernel in cube.kernel.values.tolist()
        ]
        yield row


def _count(value: float) -> str:
    return "–" if np.isnan(value) else f"{value:.0f}"


def _floor(error: float) -> str:
    return "0" if error == 0 else resolved_error(error)


def _times(factor: float) -> str:
    if np.isinf(factor):
        return "∞"
    return f"{float(f'{factor:.2g}'):.12g}"


def _records(cube: xr.Dataset, table: pd.DataFrame) -> list[dict[Any, Any]]:
    colours = architecture_colours(cube)
    return [{**row, "colour": colours[row["architecture"]]} for row in table.to_dict("records")]
