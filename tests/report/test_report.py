"""The summary by hand, and the page in one piece."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from mfbench.report.differences import difference_table
from mfbench.report.page import write_report
from mfbench.report.summary import summary_table
from tests.figures.conftest import make_cube


@pytest.fixture
def cube() -> xr.Dataset:
    return make_cube()


def test_reach_is_the_last_level_before_the_first_that_is_not_solved(cube: xr.Dataset) -> None:
    # Medians are 0.02, 0.08 and 0.32 at M99 = 4, 8, 16: solved up to 8.
    table = summary_table(cube).set_index("architecture")
    assert table.loc["a", "impulse"] == 8
    assert (table.loc["a", "solved"], table.loc["a", "tasks"]) == (4, 6)
    assert table.loc["b", "state_size"] == 16
    assert np.isnan(table.loc["a", "state_size"])
    assert table.loc["a", "seconds"] == 2.0
    settings = json.loads(cube.attrs["settings"])
    settings["evaluation"]["success"] = 0.05  # the study says what counts as solved
    strict = cube.assign_attrs(settings=json.dumps(settings))
    assert summary_table(strict).set_index("architecture").loc["a", "impulse"] == 4
    cube.relative_mse[{"kernel": 0, "level": 0}] = 1.0  # the easiest fails: reach 0 ...
    cube.relative_mse[{"kernel": 1, "level": 2}] = 0.01  # ... and all levels: the last one
    table = summary_table(cube).set_index("architecture")
    assert table.loc["a", "impulse"] == 0
    assert table.loc["a", "airy"] == 16


def test_architectures_differ_where_no_seed_of_one_overlaps_the_other(cube: xr.Dataset) -> None:
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


def test_the_page_carries_everything(cube: xr.Dataset, tmp_path: Path) -> None:
    figure = tmp_path / "error_map.json"
    figure.write_text(json.dumps({"$schema": "s", "title": "</script><b>"}))
    write_report(tmp_path / "report.html", cube=cube, figures=[figure])
    page = (tmp_path / "report.html").read_text()
    assert "mfbench: known" in page
    assert "0123abc" in page  # the commit
    assert "numpy" in page
    assert 'id="error_map"' in page
    assert "≥ 16" not in page  # no kernel is solved to the end
    assert page.count("</script>") == 2  # a figure's text cannot end the element it stands in
    assert "scored from step 16" in page


def test_text_from_the_study_is_escaped(cube: xr.Dataset, tmp_path: Path) -> None:
    settings = json.loads(cube.attrs["settings"])
    settings["name"] = "<u>x</u>"
    cube.attrs["settings"] = json.dumps(settings)
    write_report(tmp_path / "report.html", cube=cube, figures=[])
    assert "<u>x</u>" not in (tmp_path / "report.html").read_text()
