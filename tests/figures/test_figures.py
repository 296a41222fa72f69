"""Every figure can be drawn of whole and of partial cubes, and says what it should."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import xarray as xr

from mfbench.figures.export import draw, write_figure
from mfbench.figures.theme import PALETTE, error_domain
from tests.conftest import REPOSITORY
from tests.figures.conftest import make_cube, with_boundaries

FIGURES = sorted(
    p.stem
    for p in (REPOSITORY / "mfbench" / "figures").glob("*.py")
    if "def draw(cube" in p.read_text()
)


def scales(specification: Any, channel: str) -> list[dict[str, Any]]:
    """All scales of a channel, wherever in a specification."""
    found = []
    if isinstance(specification, dict):
        encoding = specification.get("encoding", {})
        if "scale" in encoding.get(channel, {}):
            found.append(encoding[channel]["scale"])
        specification = list(specification.values())
    if isinstance(specification, list):
        for part in specification:
            found += scales(part, channel)
    return found


def test_the_workflow_draws_every_figure_there_is() -> None:
    rules = (REPOSITORY / "rules" / "figures.smk").read_text()
    assert FIGURES
    for figure in FIGURES:
        assert f'"{figure}"' in rules


@pytest.mark.parametrize("widths", [(8,), (8, 16)])
@pytest.mark.parametrize("figure", FIGURES)
def test_all_formats_are_written(figure: str, widths: tuple[int, ...], tmp_path: Path) -> None:
    outputs = SimpleNamespace(**{k: tmp_path / f"f.{k}" for k in ("html", "svg", "png", "json")})
    write_figure(draw(figure, make_cube(widths)), outputs)
    assert outputs.png.read_bytes().startswith(b"\x89PNG")
    assert "<svg" in outputs.svg.read_text()[:200]
    assert "vegaEmbed" in outputs.html.read_text()
    assert "vega-lite" in json.loads(outputs.json.read_text())["$schema"]


@pytest.mark.parametrize("figure", FIGURES)
def test_partial_and_diverged_cubes_can_be_drawn(figure: str, tmp_path: Path) -> None:
    cube = make_cube()
    per_member = ("relative_mse", "validation_error", "learned_memory_function")
    cube.status[{"architecture": 0, "kernel": 1}] = "absent"
    cube.selected_learning_rate[{"architecture": 0, "kernel": 1}] = np.nan
    cube.status[{"architecture": 1, "kernel": 0, "level": 2}] = "diverged"
    for name in per_member:
        cube[name][{"architecture": 0, "kernel": 1}] = np.nan
        cube[name][{"architecture": 1, "kernel": 0, "level": 2}] = np.nan
    cube = with_boundaries(cube)
    outputs = SimpleNamespace(**{k: tmp_path / f"f.{k}" for k in ("html", "svg", "png", "json")})
    write_figure(draw(figure, cube), outputs)
    assert "NaN" not in outputs.json.read_text()


def test_levels_of_one_memory_length_stay_apart(cube: xr.Dataset) -> None:
    cube.memory_length[{"kernel": 0, "level": 1}] = 4.0
    specification = draw("error_map", cube).to_dict()
    rows = next(iter(specification["datasets"].values()))
    names = {(r["kernel"], r["level"]): r["task"] for r in rows}
    assert [names["impulse", i] for i in range(3)] == ["4 (3)", "4 (7)", "16 (15)"]
    assert [names["airy", i] for i in range(3)] == ["4", "8", "16"]


@pytest.mark.parametrize("figure", FIGURES)
def test_a_cube_in_which_all_diverged_can_be_drawn(figure: str, cube: xr.Dataset) -> None:
    cube.status[:] = "diverged"
    for name in ("relative_mse", "validation_error", "learned_memory_function"):
        cube[name][:] = np.nan
    assert draw(figure, with_boundaries(cube)).to_json()


def rows_of(specification: dict[str, Any]) -> dict[tuple[str, str], dict[str, Any]]:
    rows = next(iter(specification["datasets"].values()))
    return {(row["architecture"], row["kernel"]): row for row in rows}


def test_boundaries_off_the_grid_are_open_marks_at_its_edge(cube: xr.Dataset) -> None:
    cube.relative_mse[{"architecture": 0, "kernel": 1}] = 0.001
    cube.relative_mse[{"architecture": 1, "kernel": 1}] = 1.0
    chart = draw("failure_boundaries", with_boundaries(cube))
    rows = rows_of(chart.to_dict())
    inside, above, below = rows["a", "impulse"], rows["b", "airy"], rows["a", "airy"]
    assert inside["censored"] == "none"
    assert inside["at"] == inside["memory_length"]
    assert (above["censored"], above["at"], above["text"]) == ("above", 16, "> 16")
    assert (below["censored"], below["at"], below["text"]) == ("below", 4, "< 4")
    assert above["to"] > 16  # out to the frame
    assert below["from"] < 4
    layers = chart.to_dict()["spec"]["layer"]
    shapes = {
        layer["transform"][0]["filter"]: layer["mark"].get("shape")
        for layer in layers
        if "transform" in layer
    }
    assert shapes == {
        "datum.censored == 'none'": None,
        "datum.censored == 'below'": "triangle-left",
        "datum.censored == 'above'": "triangle-right",
    }


def test_a_group_is_off_the_levels_that_it_was_trained_at(cube: xr.Dataset) -> None:
    cube.relative_mse[{"architecture": 0}] = 0.001
    cube.status[{"architecture": 0, "kernel": 0, "level": 2}] = "absent"
    cube.relative_mse[{"architecture": 0, "kernel": 0, "level": 2}] = np.nan
    rows = rows_of(draw("failure_boundaries", with_boundaries(cube)).to_dict())
    assert (rows["b", "impulse"]["text"], rows["b", "airy"]["text"]) == ("> 8", "> 16")


def test_errors_have_logarithmic_axes(cube: xr.Dataset) -> None:
    for figure in ("error_by_memory_length", "training_curves"):
        specification = draw(figure, cube).to_dict()
        y = [s for s in scales(specification, "y") if "domain" in s]
        assert y
        assert all(s["type"] == "log" for s in y)
        assert all(s["type"] == "log" for s in scales(specification, "x"))


def test_an_architecture_has_one_colour_everywhere(cube: xr.Dataset) -> None:
    for figure in ("error_by_memory_length", "memory_functions"):
        colours = scales(draw(figure, cube).to_dict(), "color")
        assert colours
        for scale in colours:
            pairs = dict(zip(scale["domain"], scale["range"], strict=True))
            assert pairs == {"b": PALETTE[0], "a": PALETTE[1]}


def test_the_palette_has_no_twins() -> None:
    assert len(set(PALETTE)) == len(PALETTE) >= 12


def test_the_error_axis_holds_all_errors_and_the_zero_predictor() -> None:
    assert error_domain([0.2, 0.5])[0] < 1e-3
    assert error_domain([1e-9, 0.5])[0] < 1e-9
    assert error_domain([0.2])[1] > 1
    assert 0 < error_domain([0.0])[0] < 1e-12  # an error of nothing has no logarithm
    assert error_domain([None, float("nan")]) == error_domain([])


def test_memory_functions_open_at_a_level_that_most_panels_have(cube: xr.Dataset) -> None:
    assert draw("memory_functions", cube).to_dict()["params"][0]["value"] == 1
    cube.status[{"architecture": 0, "level": 1}] = "absent"  # as where the other was refined
    assert draw("memory_functions", cube).to_dict()["params"][0]["value"] == 2
