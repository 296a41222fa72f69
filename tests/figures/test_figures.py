"""Figures of complete and incomplete cubes, and their texts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from mfbench.cube.compare import compare_cubes
from mfbench.figures import comparison
from mfbench.figures.export import draw, save_chart, write_figure, write_figures
from mfbench.figures.order import FIGURES
from mfbench.figures.theme import PALETTE, error_domain
from mfbench.files import read_json
from tests.conftest import REPOSITORY
from tests.figures.conftest import PER_MEMBER, make_cube, spoil, with_baselines, with_boundaries


def scales(specification: Any, channel: str) -> list[dict[str, Any]]:
    """All scales of a channel, anywhere in a specification."""
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


def test_all_figures_are_registered() -> None:
    modules = (REPOSITORY / "mfbench" / "figures").glob("*.py")
    assert sorted(FIGURES) == sorted(p.stem for p in modules if "def draw(cube" in p.read_text())


def test_the_error_names_a_figure_that_cannot_be_drawn(cube: xr.Dataset, tmp_path: Path) -> None:
    with pytest.raises((KeyError, AttributeError), match=f"figure {FIGURES[0]}"):
        write_figures(tmp_path, cube.drop_vars("relative_mse"))
    assert list(tmp_path.iterdir()) == []


def texts(specification: dict[str, Any]) -> str:
    title = specification["title"]
    return " ".join(["", title["text"], *np.atleast_1d(title["subtitle"])])


def drawn(figure: str, cube: xr.Dataset) -> dict[str, Any]:
    """A figure that browsers can parse: without NaN and Infinity."""
    specification = draw(figure, cube)
    json.loads(json.dumps(specification), parse_constant=pytest.fail)
    return specification


# Of a cube that was made before there were floors, boundaries and parts of the error.
OLD = {"error_by_memory_length", "error_map", "memory_functions", "training_curves"}
NEW = {
    *(set(PER_MEMBER) - {"relative_mse", "validation_error", "learned_memory_function"}),
    *("lower_floor", "upper_floor", "approximation_part", "weights", "order"),
    *("length_factor", "perturbation"),
    *(
        f"boundary_{name}"
        for name in ("rho", "rho_low", "rho_high", "censored", "monotone_p_value")
    ),
    *(f"boundary_memory_length{end}" for end in ("", "_low", "_high")),
}


@pytest.mark.parametrize("figure", FIGURES)
def test_a_figure_is_drawn_of_whatever_cube_there_is(figure: str, tmp_path: Path) -> None:
    cube = make_cube((8, 16))
    spoil(cube, "absent", {"architecture": 0, "kernel": 1})
    spoil(cube, "diverged", {"architecture": 1, "kernel": 0, "level": 2})
    write_figure(tmp_path / "f", drawn(figure, with_boundaries(cube)))
    assert (tmp_path / "f.png").read_bytes().startswith(b"\x89PNG")
    assert "<svg" in (tmp_path / "f.svg").read_text()[:200]
    assert "vegaEmbed" in (tmp_path / "f.html").read_text()
    assert "vega-lite" in read_json(tmp_path / "f.json")["$schema"]
    cube = make_cube()
    before = texts(drawn(figure, cube.drop_vars(NEW)))
    assert ("This cube has no" in before) == (
        figure not in OLD | {"lags_over_training", "boundary_by_budget"}
    )
    assert "This cube has no" in before or "floor" not in before
    spoil(cube, "diverged", {})
    drawn(figure, with_boundaries(cube))
    spoil(cube, "failed", {})
    assert "No model of this study was trained" in texts(drawn(figure, with_boundaries(cube)))


@pytest.mark.parametrize("figure", FIGURES)
def test_failed_cells_are_drawn_like_absent_ones(figure: str, cube: xr.Dataset) -> None:
    absent = cube.copy(deep=True)
    at = {"architecture": 0, "kernel": 0, "level": 2}
    spoil(cube, "failed", at)
    spoil(absent, "absent", at)
    charts = [draw(figure, with_boundaries(c)) for c in (cube, absent)]
    rows = [next(iter(chart["datasets"].values())) for chart in charts]
    if figure == "error_map":
        named = [row for row in rows[0] if row["text"] == "failed"]
        assert [(r["architecture"], r["kernel"], r["level"]) for r in named] == [
            ("b", "impulse", 2)
        ]
        rows[0].remove(named[0])
    if figure == "error_by_memory_length":
        assert "code broke: 1." in texts(charts[0])
    assert json.dumps(rows[0]) == json.dumps(rows[1])


def test_levels_with_equal_memory_length_stay_apart(cube: xr.Dataset) -> None:
    cube.memory_length[{"kernel": 0, "level": 1}] = 4.0
    specification = draw("error_map", cube)
    rows = next(iter(specification["datasets"].values()))
    names = {(r["kernel"], r["level"]): r["task"] for r in rows}
    assert [names["impulse", i] for i in range(3)] == ["4 (3)", "4 (7)", "16 (15)"]
    assert [names["airy", i] for i in range(3)] == ["4", "8", "16"]


def test_the_error_map_has_a_row_for_ridge_regression(cube: xr.Dataset) -> None:
    chart = drawn("error_map", with_baselines(cube))
    rows = next(iter(chart["datasets"].values()))
    ridge = [row["text"] for row in rows if row["label"] == "ridge regression"]
    assert ridge == [".040", ".080", ".80"] * 2
    assert "Last row: ridge regression" in texts(chart)
    errors = drawn("error_by_memory_length", with_baselines(cube))
    assert '"linear_system_error"' in json.dumps(errors)


def test_boundaries_are_drawn_over_the_budget(cube: xr.Dataset) -> None:
    # Solved at M99 = 4 and, by two of three seeds, 8; with half of the steps nowhere.
    short = cube.copy(deep=True)
    short.relative_mse[:] = 1.0
    parts = [short.expand_dims(budget=[50]), cube.expand_dims(budget=[100])]
    both = with_boundaries(xr.concat(parts, "budget"))
    both["memory_length"] = cube.memory_length
    rows = next(iter(drawn("boundary_by_budget", both)["datasets"].values()))
    assert len(rows) == 2 * 4
    for row in rows:
        if row["budget"] == 50:
            assert (row["censored"], row["at"]) == ("below", 4)
        else:
            assert (row["censored"], row["at"]) == ("none", pytest.approx(8 * 2**0.25))


def test_a_figure_without_memory_probes_says_why_it_is_empty(cube: xr.Dataset) -> None:
    cube.memory_over_training[:] = np.nan
    assert "memory_probes" in texts(draw("lags_over_training", cube))


def test_floors_end_at_the_bottom_of_the_axis_and_are_explained(cube: xr.Dataset) -> None:
    # The axis starts at 0.001 / 1.5; one floor at M99 = 4 lies below it, one across it.
    cube.upper_floor[{"architecture": 0, "kernel": 0, "level": 0}] = 0.0005
    cube.lower_floor[{"architecture": 0, "kernel": 1, "level": 0}] = 0.0001
    specification = draw("error_by_memory_length", cube)
    rows = next(iter(specification["datasets"].values()))
    band = {
        (row["kernel"], row["level"]): (row["floor_low"], row["floor_high"])
        for row in rows
        if row["architecture"] == "b"
    }
    assert band["impulse", 0] == (None, None)
    assert band["airy", 0] == (pytest.approx(0.001 / 1.5, rel=1e-3), 0.01)
    assert band["impulse", 1] == band["airy", 1] == (0.02, 0.04)
    assert all(row["floor_high"] is None for row in rows if row["architecture"] == "a")
    assert "Floor of 0 on all tasks" in texts(specification)
    assert texts(specification).endswith("fixed size): a.")
    encodings = [layer["encoding"] for layer in specification["spec"]["layer"]]
    floors = [e for e in encodings if e["y"].get("field", "").startswith("floor_")]
    assert len(floors) == 3
    # Floors have the architecture's colour and follow the legend.
    assert all(e["color"]["field"] == "architecture" for e in floors)
    assert all(e["opacity"]["condition"]["param"] == "chosen" for e in floors)


def test_bars_of_the_distance_to_the_optimum_meet_at_the_floor(cube: xr.Dataset) -> None:
    at = {"architecture": 0, "kernel": 0, "level": 0}
    cube.optimisation_part[at] = -1.0  # a nonlinear model, below the floor of 0.01
    cube.optimisation_part[{**at, "kernel": 1, "level": 2}] = np.nan
    cube.status[{**at, "kernel": 1, "level": 2}] = "diverged"
    rows = next(iter(draw("distance_to_optimum", cube)["datasets"].values()))
    bars: dict[Any, dict[str, Any]] = {}
    for row in rows:
        key = row["architecture"], row["kernel"], row["level"]
        bars.setdefault(key, {})[row["limit"]] = (row["from"], row["to"])
    size, above, below = "explained by the state size", "above the LTI floor", "below the LTI floor"
    assert bars["b", "impulse", 0] == {size: (-6, -3), below: (-3, -2)}
    # The median error at the second level is 0.08, its floor 0.04.
    decades = np.log10([0.04, 0.08])
    assert bars["b", "impulse", 1][size] == (-6, pytest.approx(decades[0], abs=1e-3))
    assert bars["b", "impulse", 1][above] == pytest.approx(decades, abs=1e-3)
    assert bars["b", "airy", 2][above][1] == 0.5  # diverged: up to the frame
    # With a floor of 0, the whole bar lies above the floor.
    assert bars["a", "impulse", 1][size] == (-6, -6)
    assert bars["a", "impulse", 1][above] == (-6, pytest.approx(decades[1], abs=1e-3))


def test_lags_that_are_not_learned_are_open_marks_above_all_steps(cube: xr.Dataset) -> None:
    specification = draw("lags_over_training", cube)
    rows = next(iter(specification["datasets"].values()))
    last = [row for row in rows if row["lag"] == 3]
    assert {row["text"] for row in last} == {"never"}
    assert all(row["median"] > 100 and not row["learned"] for row in last)
    assert specification["params"][0]["value"] == 1  # the level that the reader chooses


def test_responses_beyond_the_axis_are_drawn_at_its_edge(cube: xr.Dataset) -> None:
    cube.perturbation_error[{"perturbation": 1}] = 3.3333333
    cube.perturbation_error[{"perturbation": 2}] = np.inf
    cube.generalisation_error[{"architecture": 0}] = np.nan  # cannot run on longer sequences
    specification = drawn("weight_perturbation", cube)
    rows = next(iter(specification["datasets"].values()))
    beyond = [row for row in rows if row["change"] == 0.1]
    (domain,) = {tuple(s["domain"]) for s in scales(specification, "y")}
    assert domain[1] > 3.3333333
    assert [row["at"] for row in beyond] == pytest.approx([domain[1]] * len(beyond), rel=1e-3)
    assert {row["text"] for row in beyond} == {"inf (inf to inf)"}
    assert "drawn at the upper edge" in texts(specification)
    said = texts(draw("length_generalisation", cube))
    assert "Cannot run on longer sequences: b." in said
    assert "upper edge" not in said


def rows_of(specification: dict[str, Any]) -> dict[tuple[str, str], dict[str, Any]]:
    rows = next(iter(specification["datasets"].values()))
    return {(row["architecture"], row["kernel"]): row for row in rows}


def test_boundaries_off_the_grid_are_open_marks_at_its_edge(cube: xr.Dataset) -> None:
    cube.relative_mse[{"architecture": 0, "kernel": 1}] = 0.001
    cube.relative_mse[{"architecture": 1, "kernel": 1}] = 1.0
    specification = drawn("failure_boundaries", with_boundaries(cube))
    rows = rows_of(specification)
    inside, above, below = rows["a", "impulse"], rows["b", "airy"], rows["a", "airy"]
    assert inside["censored"] == "none"
    assert inside["at"] == inside["memory_length"]
    assert (above["censored"], above["at"], above["text"]) == ("above", 16, "> 16")
    assert (below["censored"], below["at"], below["text"]) == ("below", 4, "< 4")
    assert above["to"] > 16  # up to the frame
    assert below["from"] < 4
    layers = specification["spec"]["layer"]
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


def test_success_that_is_not_monotone_has_a_dagger(cube: xr.Dataset) -> None:
    assert "†" not in json.dumps(draw("failure_boundaries", cube), ensure_ascii=False)
    at = {"architecture": 1, "kernel": 1}
    cube.relative_mse[{**at, "level": 1}], cube.relative_mse[{**at, "level": 2}] = 1.0, 0.01
    specification = draw("failure_boundaries", with_boundaries(cube))
    marked = [group for group, row in rows_of(specification).items() if "†" in row["text"]]
    assert marked == [("a", "airy")]
    assert any("†" in line for line in specification["title"]["subtitle"])


def test_off_grid_marks_lie_at_the_last_level_that_a_group_was_trained_at(cube: xr.Dataset) -> None:
    cube.relative_mse[{"architecture": 0}] = 0.001
    cube.status[{"architecture": 0, "kernel": 0, "level": 2}] = "absent"
    cube.relative_mse[{"architecture": 0, "kernel": 0, "level": 2}] = np.nan
    rows = rows_of(draw("failure_boundaries", with_boundaries(cube)))
    assert (rows["b", "impulse"]["text"], rows["b", "airy"]["text"]) == ("> 8", "> 16")


def test_errors_have_logarithmic_axes(cube: xr.Dataset) -> None:
    for figure in ("error_by_memory_length", "training_curves"):
        specification = draw(figure, cube)
        y = [s for s in scales(specification, "y") if "domain" in s]
        assert y
        assert all(s["type"] == "log" for s in y)
        assert all(s["type"] == "log" for s in scales(specification, "x"))


def test_an_architecture_has_one_colour_everywhere(cube: xr.Dataset) -> None:
    for figure in ("error_by_memory_length", "memory_functions"):
        colours = scales(draw(figure, cube), "color")
        assert colours
        for scale in colours:
            pairs = dict(zip(scale["domain"], scale["range"], strict=True))
            assert pairs == {"b": PALETTE[0], "a": PALETTE[1]}


def test_the_error_axis_covers_all_errors_and_the_zero_predictor() -> None:
    assert error_domain([0.2, 0.5])[0] < 1e-3
    assert error_domain([1e-9, 0.5])[0] < 1e-9
    assert error_domain([0.2])[1] > 1
    assert 0 < error_domain([0.0])[0] < 1e-12  # 0 has no logarithm
    assert error_domain([None, float("nan")]) == error_domain([])


def test_memory_functions_say_what_the_grey_is_where_there_is_any(cube: xr.Dataset) -> None:
    assert "Grey" in texts(draw("memory_functions", cube))
    assert "Grey" not in texts(draw("memory_functions", cube.drop_vars("memory_capacity")))


def test_the_slider_starts_at_a_level_that_most_panels_have(cube: xr.Dataset) -> None:
    assert draw("memory_functions", cube)["params"][0]["value"] == 1
    cube.status[{"architecture": 0, "level": 1}] = "absent"  # only the other has the added level
    assert draw("memory_functions", cube)["params"][0]["value"] == 2


def test_a_comparison_is_drawn_and_saved_as_its_name_says(cube: xr.Dataset, tmp_path: Path) -> None:
    found = compare_cubes(cube, cube.assign(relative_mse=cube.relative_mse / 2))
    for suffix, start in ((".png", b"\x89PNG"), (".svg", b"<svg"), (".html", b"<!DOCTYPE html>")):
        save_chart(tmp_path / f"f{suffix}", comparison.draw(found))
        assert (tmp_path / f"f{suffix}").read_bytes().lstrip().startswith(start)
    table = comparison.comparison_table(found)
    np.testing.assert_allclose(table.ratio, 0.5)
    assert "nothing to show" in str(comparison.draw(found.where(False)).to_dict())
