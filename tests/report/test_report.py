"""The tables of the report by hand, and the whole page."""

from __future__ import annotations

import json
from html import escape
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from mfbench.cube.failure_boundaries import CENSORED
from mfbench.report.boundary import boundary_texts
from mfbench.report.capacity import capacity_table
from mfbench.report.notes import NOTES
from mfbench.report.optimum import distance_table
from mfbench.report.page import write_report
from mfbench.report.summary import summary_table
from mfbench.report.tables import baseline_rows, difference_table, edge_counts, failed_messages
from tests.figures.conftest import make_cube, spoil, with_baselines, with_boundaries


@pytest.fixture
def cube() -> xr.Dataset:
    return make_cube()


def test_the_summary_counts_solved_tasks(cube: xr.Dataset) -> None:
    # Medians are 0.02, 0.08 and 0.32 at M99 = 4, 8, 16.
    table = summary_table(cube).set_index("architecture")
    assert (table.loc["a", "solved"], table.loc["a", "tasks"]) == (4, 6)
    assert table.loc["b", "state_size"] == 16
    assert np.isnan(table.loc["a", "state_size"])
    assert table.loc["a", "seconds"] == 2.0
    settings = json.loads(cube.attrs["settings"])
    settings["evaluation"]["success"] = 0.05  # a stricter threshold
    strict = cube.assign_attrs(settings=json.dumps(settings))
    assert summary_table(strict).set_index("architecture").loc["a", "solved"] == 2


def test_capacities_are_those_of_known_states(cube: xr.Dataset) -> None:
    cube.learned_memory_function[:] = np.where(cube.lag < 2, 1.0, 0.0)  # two lags, equally
    cube.learned_memory_function_standard_error[:] = np.where(cube.lag == 5, 0.1, 0.0)
    cube.readout_error[{"kernel": 0}] = 0.2
    (row,) = capacity_table(cube).to_dict("records")
    assert (row["architecture"], row["state_size"], row["tasks"]) == ("b", 16, 6)
    assert [row[key] for key in ("holds", "least", "most", "uses")] == [4, 3, 5, 2]
    # Both kernels fail at the hardest level; the state of one solves it.
    assert (row["unsolved"], row["held"]) == (2, 1)
    assert capacity_table(cube.drop_vars("readout_error")).empty


@pytest.mark.parametrize(
    ("boundary", "low", "high", "censored", "text", "share"),
    [
        (12.3, 8.0, 16.0, "none", "12 [8, 16]", 12.3 / 16),
        (5.66, 4.0, 16.0, "none", "5.7 [4, 16]", 5.66 / 16),
        (8.0, -np.inf, np.inf, "none", "8 [< 4, > 16]", 0.5),
        (np.nan, 16.0, np.inf, "above", "> 16", 1.0),
        (np.nan, 8.0, np.inf, "above", "> 16 [8, > 16]", 1.0),
        (np.nan, -np.inf, 4.0, "below", "< 4", 0.0),
        (np.nan, -np.inf, 8.0, "below", "< 4 [< 4, 8]", 0.0),
    ],
)
def test_boundaries_are_written_with_their_interval(
    cube: xr.Dataset,
    boundary: float,
    low: float,
    high: float,
    censored: str,
    text: str,
    share: float,
) -> None:
    at = {"architecture": 1, "width": 0, "kernel": 1}
    cube.boundary_memory_length[at] = boundary
    cube.boundary_memory_length_low[at] = low
    cube.boundary_memory_length_high[at] = high
    cube.boundary_censored[at] = CENSORED.index(censored)
    found = boundary_texts(cube)
    assert found["a", 8, "airy"] == {"text": text, "share": pytest.approx(share)}
    assert len(found) == 4


def test_an_absent_group_has_no_boundary(cube: xr.Dataset) -> None:
    spoil(cube, "absent", {"architecture": 0, "kernel": 1})
    found = boundary_texts(with_boundaries(cube))
    assert sorted(found) == [("a", 8, "airy"), ("a", 8, "impulse"), ("b", 8, "impulse")]


def test_distances_separate_the_state_size_from_other_limits(cube: xr.Dataset) -> None:
    # Errors: 0.02, 0.08, 0.32. Upper floors of b: half of that; lower floors: a quarter. a: 0.
    table = distance_table(cube).set_index("architecture")
    b, a = table.loc["b"], table.loc["a"]
    assert (b.tasks, b.unsolved, a.unsolved) == (6, 2, 2)
    assert (b.cannot, b.untrained) == (0, 0)  # the threshold of 0.1 is within 0.08 .. 0.16
    assert (a.cannot, a.untrained) == (0, 2)
    assert (b.floor, a.floor) == (pytest.approx(0.04), 0)
    assert (b.times, a.times) == (pytest.approx(2), pytest.approx(0.08e6))
    assert (a.near, b.beaten, a.beaten) == (0, 0, 0)
    cube.lower_floor[{"architecture": 0, "kernel": 1, "level": 2}] = 0.12
    cube.optimisation_part[{"architecture": 0, "kernel": 0}] -= 0.1
    cube.optimisation_part[{"architecture": 0, "kernel": 1}] += 0.1
    # Standard errors are 1 % of the error: three of them reach from 0.08 to 0.0815, but not from
    # 0.32 to 0.333.
    cube.lower_floor[{"architecture": 1, "kernel": 1, "level": 1}] = 0.0815
    cube.lower_floor[{"architecture": 1, "kernel": 1, "level": 2}] = 0.333
    changed = distance_table(cube).set_index("architecture")
    assert changed.loc["b", "cannot"] == 1
    assert changed.loc["b", "near"] == 3
    assert (changed.loc["b", "beaten"], changed.loc["a", "beaten"]) == (0, 1)


def test_diverged_cells_are_unsolved_and_infinitely_far(cube: xr.Dataset) -> None:
    cube.optimisation_part[{"kernel": 0}] -= 0.1
    spoil(cube, "diverged", {"architecture": 0, "kernel": 1})
    b = distance_table(cube).set_index("architecture").loc["b"]
    assert (b.tasks, b.unsolved, b.near) == (6, 1 + 3, 3)
    spoil(cube, "diverged", {"architecture": 0, "kernel": 0})
    assert distance_table(cube).set_index("architecture").loc["b", "times"] == np.inf


def test_architectures_differ_on_tasks_without_overlap_of_seeds(cube: xr.Dataset) -> None:
    table = difference_table(cube)
    assert table.loc["a", "b"] == table.loc["a", "a"] == 0  # the same numbers
    at = {"architecture": 1, "kernel": 0}
    cube.relative_mse[{**at, "level": 0}] *= 10  # ranges 0.01..0.03 and 0.1..0.3
    cube.relative_mse[{**at, "level": 1}] *= 2  # ranges 0.04..0.12 and 0.08..0.24 overlap
    table = difference_table(cube)
    assert table.loc["a", "b"] == table.loc["b", "a"] == 1
    cube.status[{**at, "level": 2}] = "diverged"  # worse than any error
    cube.relative_mse[{**at, "level": 2}] = np.nan
    assert difference_table(cube).loc["a", "b"] == 2
    cube.status[{**at, "level": 2}] = "absent"  # not compared
    assert difference_table(cube).loc["a", "b"] == 1


def test_the_page_shows_numbers_figures_and_provenance(cube: xr.Dataset, tmp_path: Path) -> None:
    figures = {"error_parts": {"$schema": "s", "title": "</script><b>"}}
    write_report(tmp_path / "report.html", cube=cube, figures=figures)
    page = (tmp_path / "report.html").read_text()
    assert "mfbench: known" in page
    assert "0123abc" in page  # the commit
    assert "numpy" in page
    assert 'id="error_parts"' in page
    assert escape(NOTES["error_parts"]).replace("&#x27;", "&#39;") in page
    # Success falls from 2/3 at M99 = 8 to 0 at 16; it is one half a quarter of the way in log M99.
    assert f"{8 * 2**0.25:.1f} [4, 16]" in page
    assert "<td>0 of 6</td><td>0</td>" in page  # architecture a: within twice the floor, below it
    assert "4, 8, 16</td>\n<td>2, 3, 4</td>" in page  # M99 and order of airy
    assert page.count("</script>") == 2  # the text of a figure cannot end a script element
    assert "scored from step 16" in page


def test_baselines_are_in_the_tables_of_errors(cube: xr.Dataset, tmp_path: Path) -> None:
    write_report(tmp_path / "report.html", cube=cube, figures={})
    assert "ridge" not in (tmp_path / "report.html").read_text()  # of an earlier version
    cube = with_baselines(cube)
    assert baseline_rows(cube) == [
        {"name": "ridge regression", "solved": 4, "tasks": 6},
        {"name": "predicting zero", "solved": 0, "tasks": 6},
    ]
    table = summary_table(cube).set_index("architecture")
    assert table.linear_system_tasks.to_dict() == {"b": 6, "a": 0}
    assert table.linear_system["b"] == 2
    write_report(tmp_path / "report.html", cube=cube, figures={})
    page = (tmp_path / "report.html").read_text()
    assert "<td>4 of 6</td>\n<td>2 of 6</td>" in page  # b: solved, and by a linear system
    assert "<td>4 of 6</td>\n<td>–</td>" in page
    assert "<td>.040 (4), .080 (8), .80 (80)</td>" in page


def test_edges_of_the_grid_and_success_that_returns_are_noted(
    cube: xr.Dataset, tmp_path: Path
) -> None:
    # Two levels of four groups are solved.
    cube.selected_rate_edge[{"level": 1}], cube.selected_rate_edge[{"architecture": 0}] = -1, 0
    counts = edge_counts(cube)
    assert (counts["solved"], counts["unsolved"]) == (8, 4)
    assert [counts[f"solved_{at}"] for at in ("inside", "lowest", "highest")] == [4, 2, 2]
    assert [counts[f"unsolved_{at}"] for at in ("inside", "lowest", "highest")] == [2, 0, 2]
    at = {"architecture": 1, "kernel": 1}
    cube.relative_mse[{**at, "level": 1}], cube.relative_mse[{**at, "level": 2}] = 1.0, 0.01
    cube = with_boundaries(cube)
    marked = {group for group, found in boundary_texts(cube).items() if "†" in found["text"]}
    assert marked == {("a", 8, "airy")}
    write_report(tmp_path / "report.html", cube=cube, figures={})
    page = (tmp_path / "report.html").read_text()
    assert "With two rates, each lies at an edge" in page
    assert "Of the unsolved cells, 1 count at the highest rate and 1 at the" in page
    settings = json.loads(cube.attrs["settings"])
    settings["training"]["learning_rates"] = [0.001, 0.003, 0.01]
    cube = cube.assign_attrs(settings=json.dumps(settings))
    write_report(tmp_path / "report.html", cube=cube, figures={})
    assert "In 4 of 8 solved cells and 2 of 4" in (tmp_path / "report.html").read_text()
    assert "only seed" not in page
    assert edge_counts(cube.assign(selected_rate_edge=cube.selected_rate_edge * np.nan)) == {}


def test_failed_cells_are_listed_with_their_message(cube: xr.Dataset, tmp_path: Path) -> None:
    write_report(tmp_path / "report.html", cube=cube, figures={})
    assert "Failed" not in (tmp_path / "report.html").read_text()
    assert failed_messages(cube) == []
    spoil(cube, "failed", {"architecture": 1, "kernel": 0, "level": 1})
    spoil(cube, "failed", {"architecture": 1, "kernel": 0, "level": 2})
    assert failed_messages(cube) == [
        {
            "architecture": "a",
            "width": 8,
            "kernel": "impulse",
            "message": "architecture own, width 8: KeyError: 'mine'",
            "levels": "8, 16",
            "cells": 2,
        }
    ]
    summary = summary_table(cube).set_index("architecture").loc["a"]
    assert (summary.solved, summary.tasks, summary.diverged, summary.members) == (3, 4, 0, 24)
    write_report(tmp_path / "report.html", cube=with_boundaries(cube), figures={})
    page = (tmp_path / "report.html").read_text()
    assert "2 cells failed" in page
    assert "<td>impulse</td><td>8, 16</td>" in page
    assert "KeyError: &#39;mine&#39;" in page
    assert "60 trained models,\n0 diverged" in page


def test_a_failed_cell_is_not_compared(cube: xr.Dataset) -> None:
    at = {"architecture": 1, "kernel": 0, "level": 0}
    cube.relative_mse[at] *= 10
    assert difference_table(cube).loc["a", "b"] == 1
    spoil(cube, "failed", at)
    assert difference_table(cube).loc["a", "b"] == 0
    assert distance_table(cube).set_index("architecture").loc["a", "tasks"] == 5


def test_a_study_in_which_all_cells_failed_has_a_report(cube: xr.Dataset, tmp_path: Path) -> None:
    spoil(cube, "failed", {})
    write_report(tmp_path / "report.html", cube=with_boundaries(cube), figures={})
    assert "12 cells failed" in (tmp_path / "report.html").read_text()


def test_text_from_the_study_is_escaped(cube: xr.Dataset, tmp_path: Path) -> None:
    settings = json.loads(cube.attrs["settings"])
    settings["name"] = "<u>x</u>"
    cube.attrs["settings"] = json.dumps(settings)
    write_report(tmp_path / "report.html", cube=cube, figures={})
    assert "<u>x</u>" not in (tmp_path / "report.html").read_text()
