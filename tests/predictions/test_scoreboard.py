"""The scoreboard of one and of several studies, as a table and as text."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from mfbench.predictions.__main__ import main
from mfbench.predictions.catalogue import prediction, predictions
from mfbench.predictions.scoreboard import (
    deciding,
    effect_text,
    holm,
    judge_predictions,
    markdown,
    plain_text,
    write_scoreboard,
)
from mfbench.predictions.verdict import NOT_DECIDED
from tests.predictions.cubes import Member, make_cube, study_of


def attention(name: str, positions: bool) -> xr.Dataset:
    """Transformers on an impulse: with positions they succeed; one of ten runs diverges."""
    study = study_of(
        name=name,
        kernels={"impulse": {"rho": [5]}},
        architectures={
            kind: {
                "model": "transformer",
                "layers": 1,
                "widths": [8],
                "options": {"positions": kind},
            }
            for kind in (("none", "rope") if positions else ("none",))
        },
    )

    def error(m: Member) -> float:
        if m.options["positions"] == "none":
            return np.inf if m.seed == 4 else 0.98
        return 0.001

    return make_cube(study, error)


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    return judge_predictions(attention("both", True), attention("half", False))


def test_every_prediction_is_judged_on_every_study(table: pd.DataFrame) -> None:
    assert len(table) == 2 * len(predictions())
    row = table[(table.prediction == "attention_without_positions") & (table.study == "both")].iloc[
        0
    ]
    assert (row.verdict, row.runs, row.diverged) == ("supported", 10, 1)
    assert row.fixed == "2026-11-20"
    others = table[table.prediction != "attention_without_positions"]
    assert set(others.verdict) == {NOT_DECIDED}
    assert (others.reason != "").all()


def test_the_studies_that_decide_are_shown(table: pd.DataFrame) -> None:
    short = deciding(table).set_index("prediction")
    assert short.index[0] == "attention_without_positions"  # decided predictions come first
    assert list(short.index[1:]) == [n for n in predictions() if n != short.index[0]]
    assert short.study["attention_without_positions"] == "both"
    assert short.study["width_growth"] == ""  # no study has an effect


def test_two_studies_that_decide_are_both_shown() -> None:
    both = judge_predictions(attention("one", True), attention("two", True))
    shown = deciding(both)
    assert shown[shown.prediction == "attention_without_positions"].study.tolist() == ["one", "two"]


def test_the_text_shows_verdict_effect_interval_and_runs(table: pd.DataFrame) -> None:
    lines = plain_text(deciding(table)).splitlines()
    title = "Attention without positions cannot do impulse"
    assert lines[0] == f"{title}: SUPPORTED (both, 10 runs, 1 diverged)"
    assert " ".join(lines[1:]).split("minus without: ")[1].startswith("1 [0.54, 1], Jeffreys")
    assert "Width growth (curse of memory): NOT DECIDED BY THIS STUDY" in lines
    assert max(map(len, lines)) <= 100


def test_the_markdown_has_a_row_and_a_rule_for_each(table: pd.DataFrame) -> None:
    text = markdown(deciding(table))
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    assert len(rows) == 1 + len(predictions())
    assert all(row.count(" | ") == 6 for row in rows)
    for name in predictions():
        assert prediction(name).rule in text
        assert prediction(name).link in text


def test_an_effect_without_a_unit_is_a_plain_number() -> None:
    row = pd.Series({"effect": 0.5, "low": 0.25, "high": 1.0, "unit": "1"})
    assert effect_text(row) == "0.5 [0.25, 1]"
    assert effect_text(pd.concat([row.drop("unit"), pd.Series({"unit": "decades"})])) == (
        "0.5 decades [0.25, 1]"
    )
    assert effect_text(row.replace(0.5, np.nan)) == ""


def test_holm_multiplies_by_the_number_of_tests_that_are_left() -> None:
    found = holm(np.array([0.01, np.nan, 0.04, 0.03, 0.9]))
    np.testing.assert_allclose(found, [0.04, np.nan, 0.09, 0.09, 0.9])


def test_decided_rows_have_p_values_before_and_after_holms_correction(table: pd.DataFrame) -> None:
    assert (np.isfinite(table.p) == (table.verdict != NOT_DECIDED)).all()
    assert (table.p_holm.dropna() >= table.p.dropna()).all()


def test_files_agree_with_the_table(table: pd.DataFrame, tmp_path: Path) -> None:
    write_scoreboard(
        table, **{kind: tmp_path / f"scoreboard.{kind}" for kind in ("csv", "md", "txt")}
    )
    read = pd.read_csv(tmp_path / "scoreboard.csv", keep_default_na=True)
    assert len(read) == len(table)
    assert read.verdict.tolist() == table.verdict.tolist()
    np.testing.assert_allclose(read.low, table.low)
    assert (tmp_path / "scoreboard.txt").read_text() == plain_text(deciding(table))


def test_the_command_prints_the_scoreboard_of_cubes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, positions in (("both", True), ("half", False)):
        attention(name, positions).to_netcdf(tmp_path / f"{name}.nc")
    main([str(tmp_path / "both.nc"), str(tmp_path / "half.nc"), "--output", str(tmp_path / "all")])
    said = capsys.readouterr().out
    assert "cannot do impulse: SUPPORTED (both, 10 runs, 1 diverged)" in said
    assert said == (tmp_path / "all.txt").read_text()


def test_no_cube_and_two_cubes_of_one_study_are_refused() -> None:
    with pytest.raises(ValueError, match="at least one cube"):
        judge_predictions()
    with pytest.raises(ValueError, match="two cubes of the study 'both'"):
        judge_predictions(attention("both", True), attention("both", False))


def test_an_untrained_study_decides_nothing() -> None:
    empty = attention("empty", True)
    empty["status"] = empty.status.dims, np.full(empty.status.shape, "absent", dtype=object)
    assert set(judge_predictions(empty).verdict) == {NOT_DECIDED}
