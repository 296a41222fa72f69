"""The page itself, from a template beside this file."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import altair as alt
import jinja2
import numpy as np
import vl_convert
import xarray as xr
import yaml

from mfbench.figures.theme import architecture_colours
from mfbench.report.differences import difference_table
from mfbench.report.summary import hardest, summary_table
from mfbench.storage import write_text


def write_report(path: str | Path, *, cube: xr.Dataset, figures: Sequence[str | Path]) -> None:
    """Write the report of a cube.

    Parameters
    ----------
    path : path
        HTML file to write.
    cube : Dataset
        The benchmark cube.
    figures : sequence of path
        Vega-Lite specifications (.json), in the order in which they are shown.
    """
    specifications = [json.loads(Path(f).read_text(encoding="utf-8")) for f in figures]
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    settings = json.loads(cube.attrs["settings"])
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
        differences=difference_table(cube).to_dict("split"),
        kernels=_kernels(cube),
        tasks=int((~cube.rho.isnull()).sum()),
        success=settings["evaluation"]["success"],
        members=int((cube.status != "absent").sum()),
        diverged=int((cube.status == "diverged").sum()),
        figures=[
            {"name": Path(f).stem, "json": _embedded(spec)}
            for f, spec in zip(figures, specifications, strict=True)
        ],
        script=_bundle(),
    )
    write_text(path, page)


def _bundle() -> str:
    """Vega, Vega-Lite and vega-embed for the version that altair writes specifications for."""
    bundle: Any = vl_convert.javascript_bundle  # its stub lacks the default of its first argument
    version = alt.SCHEMA_VERSION.removeprefix("v").rpartition(".")[0]  # as in "6.1"
    return str(bundle(vl_version=version))


def _embedded(specification: dict[str, Any]) -> str:
    """JSON that cannot end the script element it stands in."""
    return json.dumps(specification, separators=(",", ":")).replace("</", "<\\/")


def _rows(cube: xr.Dataset) -> Iterable[dict[str, Any]]:
    table = summary_table(cube)
    colours = architecture_colours(cube)
    for record in table.to_dict("records"):
        row = {str(key): value for key, value in record.items()}
        row["colour"] = colours[row["architecture"]]
        row["state"] = "–" if np.isnan(row["state_size"]) else f"{row['state_size']:.0f}"
        row["reach"] = [_reach(row[k], hardest(cube, k)) for k in cube.kernel.values.tolist()]
        yield row


def _reach(value: float, most: float) -> dict[str, Any]:
    if np.isnan(value):
        return {"text": "–", "share": 0.0}
    text = "none" if value == 0 else f"≥ {value:.0f}" if value >= most else f"{value:.0f}"
    return {"text": text, "share": value / most}


def _kernels(cube: xr.Dataset) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "rho": ", ".join(f"{v:.4g}" for v in cube.rho.sel(kernel=name).dropna("level").values),
            "memory_length": ", ".join(
                f"{v:.0f}" for v in cube.memory_length.sel(kernel=name).dropna("level").values
            ),
        }
        for name in cube.kernel.values.tolist()
    ]
