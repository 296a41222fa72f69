"""The verdicts on published predictions, as a table that the page shows."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from mfbench.cube.read import open_benchmark
from mfbench.files import write_text
from mfbench.predictions.scoreboard import (
    deciding,
    effect_text,
    holm,
    judge_predictions,
    p_text,
)

_KEPT = [
    *("prediction", "title", "link", "study", "verdict", "p", "p_holm", "effect", "low", "high"),
    *("unit", "effect_name", "runs", "reason"),
]


def keep_verdicts(cubes: Sequence[str], path: Path) -> None:
    """Judge all predictions on some cubes and add the verdicts to those on other studies."""
    judged = judge_predictions(*(open_benchmark(cube) for cube in cubes))
    kept = pd.read_csv(path)
    others = kept[(kept.runs > 0) & ~kept.study.isin(judged.study)]
    every = pd.concat([judged, others], ignore_index=True)
    table = deciding(every.assign(p_holm=holm(every.p.to_numpy(float))))
    text = io.StringIO()
    table[_KEPT].to_csv(text, index=False, lineterminator="\n", float_format="%.6g")
    write_text(path, text.getvalue())


def verdict_table(path: Path) -> str:
    """A row per prediction that a study was run for, and a line with the others."""
    table = pd.read_csv(path).fillna({"unit": "", "effect_name": ""})
    lines = [
        "| prediction | verdict | effect [90 % interval] | p (Holm) | why |",
        "|---|---|---|---|---|",
    ]
    tested = table[table.runs > 0]
    for _, row in tested.iterrows():
        effect = f"{row.effect_name}: {effect_text(row)}" if pd.notna(row.effect) else ""
        lines.append(
            f"| [{row.title}]({row.link}) | **{row.verdict}** | {effect} | {p_text(row)} | "
            f"{row.reason} |"
        )
    if len(untested := table[table.runs == 0]):
        lines.append(f"\nNot run yet: {', '.join(untested.title)}.")
    return "\n".join(lines)
