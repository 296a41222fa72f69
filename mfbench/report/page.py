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
from mfbench.figures.tables import resolved_error, ridge_table
from mfbench.figures.theme import architecture_colours
from mfbench.files import write_text
from mfbench.report.baselines import baseline_rows
from mfbench.report.boundary import boundary_texts
from mfbench.report.capacity import capacity_table
from mfbench.report.causes import causes_by_model
from mfbench.report.differences import difference_table
from mfbench.report.edges import edge_counts
from mfbench.report.failed_cells import failed_table
from mfbench.report.notes import NOTES
from mfbench.report.optimum import distance_table
from mfbench.report.slopes import slope_rows
from mfbench.report.summary import summary_table
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
    environment.filters["counted"] = counted
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
        distances=list(_distances(cube)),
        capacities=list(_capacities(cube)),
        differences=difference_table(cube).to_dict("split"),
        kernels=_kernels(cube),
        tasks=int(cube.rho.count()),
        success=success_threshold(cube),
        not_monotone=NOT_MONOTONE,
        edges=edge_counts(cube),
        rates_tried=_rates_tried(settings),
        members=int(trained(cube).sum()),
        diverged=int((cube.status == "diverged").sum()),
        failed=int(failed(cube).sum()),
        failed_cells=failed_table(cube).to_dict("records"),
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


def _rows(cube: xr.Dataset) -> Iterable[dict[str, Any]]:
    boundaries = boundary_texts(cube)
    nothing = {"text": "–", "share": 0.0}
    for row in _records(cube, summary_table(cube)):
        row["state"] = "–" if np.isnan(row["state_size"]) else f"{row['state_size']:.0f}"
        row["work"] = "–" if np.isnan(row["multiply_adds"]) else f"{row['multiply_adds']:.0f}"
        tasks = row["linear_system_tasks"]
        row["linear_system"] = f"{row['linear_system']} of {tasks}" if tasks else "–"
        row["boundaries"] = [
            boundaries.get((row["architecture"], row["width"], kernel), nothing)
            for kernel in cube.kernel.values.tolist()
        ]
        yield row


def _distances(cube: xr.Dataset) -> Iterable[dict[str, Any]]:
    for row in _records(cube, distance_table(cube)):
        row["floor"] = "0" if row["floor"] == 0 else resolved_error(row["floor"])
        row["times"] = _times(row["times"])
        yield row


def _capacities(cube: xr.Dataset) -> Iterable[dict[str, Any]]:
    for row in _records(cube, capacity_table(cube)):
        row["state"] = "–" if np.isnan(row["state_size"]) else f"{row['state_size']:.0f}"
        yield row


def _times(factor: float) -> str:
    if np.isinf(factor):
        return "∞"
    return f"{float(f'{factor:.2g}'):.12g}"


def _records(cube: xr.Dataset, table: pd.DataFrame) -> Iterable[dict[str, Any]]:
    colours = architecture_colours(cube)
    for record in table.to_dict("records"):
        row = {str(key): value for key, value in record.items()}
        yield {**row, "colour": colours[row["architecture"]]}


def _kernels(cube: xr.Dataset) -> list[dict[str, Any]]:
    order = cube.order if "order" in cube.variables else cube.rho * np.nan
    ridge = ridge_table(cube)
    return [
        {
            "name": name,
            "rho": ", ".join(f"{v:.4g}" for v in cube.rho.sel(kernel=name).dropna("level").values),
            "memory_length": ", ".join(
                f"{v:.0f}" for v in cube.memory_length.sel(kernel=name).dropna("level").values
            ),
            "order": ", ".join(f"{v:.0f}" for v in order.sel(kernel=name).dropna("level").values),
            "ridge": ", ".join(
                f"{resolved_error(row.ridge_error)} ({row.ridge_window:.0f})"
                for row in ridge[ridge.kernel == name].itertuples()
            ),
        }
        for name in cube.kernel.values.tolist()
    ]
