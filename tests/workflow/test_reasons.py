"""Snakemake's reasons in few words."""

from __future__ import annotations

import pytest

from mfbench.commands.why import lines
from mfbench.study.study import load_study
from mfbench.workflow.reruns import PlannedStage, reasons
from tests.conftest import small_study

PARAMS = (
    "Params have changed since last execution: Union of exclusive params before and now across all "
    "output: before: {} now: {} "
)


@pytest.mark.parametrize(
    ("said", "short"),
    [
        ("Missing output files: a.nc, b.nc", ["no result yet"]),
        ("Input files updated by another job: x.nc, w.nc", ["after datasets, training"]),
        ("Updated input files: x.nc", ["newer x.nc"]),
        ("Set of input files has changed since last execution", ["input files changed"]),
        (
            "Set of input files has changed since last execution; "
            + PARAMS.format(
                "levels of airy = [1, 2],{1.0: [], 2.0: []}", "levels of airy = [1],{1.0: []}"
            ),
            ["levels of airy removed: 2"],
        ),
        (
            PARAMS.format(
                "training settings 6d41f9a9,'model rnn 0a1b2c3d'", "training settings 1e"
            ),
            ["training settings changed", "model rnn changed"],
        ),
        (
            PARAMS.format("<nothing exclusive>", "'training code 0a1b2c3d'"),
            ["training code changed"],
        ),
        (
            PARAMS.format("training.seeds = [0, 1]", "training.seeds = [1, 2, 3]"),
            ["seeds added: 2, 3", "seeds removed: 0"],
        ),
        ("Forced execution", ["interrupted, will be redone"]),
        ("Something new of a later Snakemake", ["Something new of a later Snakemake"]),
    ],
)
def test_reasons_are_short(said: str, short: list[str]) -> None:
    assert reasons(said, {"x.nc": "dataset", "w.nc": "train"}) == short


def test_a_line_says_which_jobs_have_a_reason() -> None:
    study = load_study(small_study() | {"refine": {"levels": 2}})
    stage = PlannedStage(jobs=4)
    stage.reasons.update({"no result yet": 4, "model rnn changed": 2, "newer x.nc": 1})
    stage.architectures["no result yet"] |= {"rnn", "s4d"}
    stage.architectures["model rnn changed"].add("rnn")
    assert list(lines(study, {"train": stage})) == [
        "training     4 jobs  no result yet; model rnn changed (rnn); newer x.nc (1 of them)",
        "refine may add jobs, depending on results",
    ]
    assert list(lines(study, {})) == ["nothing to be done: results/small/report.html is up to date"]
