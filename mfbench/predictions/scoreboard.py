"""The scoreboard: all predictions judged on the cubes of one or more studies."""

from __future__ import annotations

import dataclasses
import textwrap
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from mfbench.files import atomic, write_text
from mfbench.predictions.catalogue import prediction, predictions
from mfbench.predictions.cells import Cell, cells
from mfbench.predictions.prediction import REVISED, Prediction
from mfbench.predictions.verdict import NOT_DECIDED, NotDecidedError, Verdict

_WIDTH = 100  # characters of a printed line


def judge(found: Prediction, on: Sequence[Cell]) -> Verdict:
    """Judge a prediction; NotDecidedError becomes the verdict 'not decided'."""
    try:
        return found.judge(on)
    except NotDecidedError as missing:
        return Verdict(verdict=NOT_DECIDED, reason=str(missing))


def judge_predictions(*cubes: xr.Dataset) -> pd.DataFrame:
    """Judge all registered predictions on benchmark cubes.

    Parameters
    ----------
    *cubes : Dataset
        Cubes as `open_benchmark` returns them, each judged separately.

    Returns
    -------
    DataFrame
        One row per prediction and study, with columns prediction, title, study, verdict, p, effect,
        low, high, unit, effect_name, method, runs, diverged, reason, statement, rule, replaces,
        needs, fixed, paper, link, where, p_holm: p after Holm's correction over all decided rows.

    Raises
    ------
    ValueError
        No cube, two cubes of one study, or a cube without settings.
    """
    if not cubes:
        raise ValueError("judging predictions needs at least one cube")
    studies: dict[str, list[Cell]] = {}
    for cube in cubes:
        of_cube = cells(cube)
        name = of_cube[0].study if of_cube else "(nothing trained)"
        if name in studies:
            raise ValueError(f"two cubes of the study {name!r}")
        studies[name] = of_cube
    rows = []
    for name in predictions():
        found = prediction(name)
        for study, part in studies.items():
            verdict = judge(found, part)
            rows.append(
                {
                    "prediction": name,
                    "title": found.title,
                    "study": study,
                    **dataclasses.asdict(verdict),
                    **{key: getattr(found, key) for key in _FROM_PREDICTION},
                }
            )
    table = pd.DataFrame(rows)
    table["p_holm"] = holm(table["p"].to_numpy(float))
    return table


def holm(p: NDArray[np.float64]) -> NDArray[np.float64]:
    """p-values after Holm's correction (1979, jstor 4615733); NaN does not count as a test."""
    adjusted = np.full(len(p), np.nan)
    order = np.argsort(p)[: np.isfinite(p).sum()]  # NaN comes last
    factors = np.arange(len(order), 0, -1)
    adjusted[order] = np.minimum(np.maximum.accumulate(p[order] * factors), 1)
    return adjusted


_FROM_PREDICTION = ("statement", "rule", "replaces", "needs", "fixed", "paper", "link", "where")


def deciding(table: pd.DataFrame) -> pd.DataFrame:
    """Select the rows that decide each prediction, decided predictions first.

    If no study decides a prediction, the row with the most runs is kept; its study is left blank
    if it has no runs. Decided rows come first, then undecided ones with an effect, then the rest.
    """
    kept = []
    for _, rows in table.groupby("prediction", sort=False):
        decided = rows[rows.verdict != NOT_DECIDED]
        if decided.empty:
            nearest = rows.sort_values("runs", ascending=False, kind="stable").head(1)
            decided = nearest.assign(study=nearest.study.where(nearest.runs > 0, ""))
        kept.append(decided)
    shown = pd.concat(kept, ignore_index=True)
    rank = (shown.verdict == NOT_DECIDED).astype(int) + (shown.runs == 0)
    return shown.loc[rank.sort_values(kind="stable").index].reset_index(drop=True)


def effect_text(row: pd.Series) -> str:
    """Effect, unit and interval of a row; parts that it lacks are left out."""
    if not np.isfinite(row.effect):
        return ""
    unit = "" if row.unit == "1" else f" {row.unit}"
    interval = f" [{row.low:.2g}, {row.high:.2g}]" if np.isfinite(row.low) else ""
    return f"{row.effect:.2g}{unit}{interval}"


def p_text(row: pd.Series) -> str:
    """p-value, with Holm's correction in brackets; '' if nothing is decided."""
    return f"{row.p:.2g} ({row.p_holm:.2g})" if np.isfinite(row.p) else ""


def plain_text(table: pd.DataFrame) -> str:
    """Format the table for a terminal, one block of lines per row."""
    blocks = []
    for _, row in table.iterrows():
        about = [part for part in (row.study, _runs(row)) if part]
        lines = [
            f"{row.title}: {row.verdict.upper()}" + (f" ({', '.join(about)})" if about else "")
        ]
        if effect := effect_text(row):
            p = f", p (Holm) = {p_text(row)}" if p_text(row) else ""
            lines.append(f"{row.effect_name}: {effect}, {row.method}{p}")
        lines.append(row.reason)
        wrapped = [textwrap.wrap(line, _WIDTH - 4, break_on_hyphens=False) for line in lines]
        blocks.append("\n".join([*wrapped[0], *(f"    {part}" for w in wrapped[1:] for part in w)]))
    return "\n".join(blocks) + "\n"


def markdown(table: pd.DataFrame) -> str:
    """Format the table in Markdown, with sources and rules below."""
    lines = [
        "| prediction | verdict | p (Holm) | effect [90 % interval] | runs | study | why |",
        "|---|---|---|---|---|---|---|",
    ]
    for _, row in table.iterrows():
        effect = effect_text(row)
        number = _runs(row) if row.runs else ""
        parts = [f"[{row.title}]({row.link})", f"**{row.verdict}**", p_text(row)]
        parts += [f"{effect} ({row.effect_name}; {row.method})" if effect else "", number]
        lines.append("| " + " | ".join(_cell(p) for p in [*parts, row.study, row.reason]) + " |")
    for _, row in table.drop_duplicates("prediction").iterrows():
        lines += [
            "",
            f"**{row.title}.** {row.statement}",
            f"*Source:* {row.paper}, {row.link} ({row['where']}). *Needs:* {row.needs}. "
            f"*Rule, fixed on {row.fixed} before the numbers were seen, statistics revised on "
            f"{REVISED}:* {row.rule}"
            + (f" *Earlier rule:* {row.replaces}." if row.replaces else ""),
        ]
    return "\n".join(lines) + "\n"


def write_scoreboard(
    table: pd.DataFrame, *, csv: str | Path, md: str | Path, txt: str | Path
) -> None:
    """Write the table atomically: all rows and columns as CSV, deciding rows as md and txt."""
    with atomic(csv) as temporary:
        table.to_csv(temporary, index=False)
    write_text(md, markdown(deciding(table)))
    write_text(txt, plain_text(deciding(table)))


def _runs(row: pd.Series) -> str:
    if not row.runs:
        return ""
    return f"{row.runs} runs" + (f", {row.diverged} diverged" if row.diverged else "")


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
