"""``mfbench run``: check a study, run it with Snakemake, and show how far it is."""

from __future__ import annotations

import os
from typing import Annotated, Literal

import typer

from mfbench.commands.arguments import StudyFile
from mfbench.commands.output import say

EXAMPLES = (
    "mfbench run my-study.yaml",
    "mfbench run my-study.yaml --cores 8 --device cuda",
    "mfbench run my-study.yaml --dry-run",
)


def run(
    study: StudyFile = "config.yaml",
    cores: Annotated[
        int | None, typer.Option(min=1, help="Jobs at once; default: all cores.")
    ] = None,
    device: Annotated[
        Literal["auto", "cpu", "cuda"] | None,
        typer.Option(help="Where to train; default: what the study says."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", "-n", help="Show what would run.")] = False,
    unlock: Annotated[
        bool, typer.Option("--unlock", help="Remove the lock of a run that was killed.")
    ] = False,
) -> None:
    """Run a study to its report.

    Checks the study first and keeps finished results, so repeat the command to continue a stopped
    run or after adding to the study. If a model breaks, its cells are recorded as failed and
    counted at the end; the exit status stays 0 unless the study has `training: {broken: stop}`.
    Results go to the study's `results` folder, by default results/NAME. On a cluster, use Snakemake
    itself (docs/cluster.md).
    """
    from mfbench.commands.running import run_to_the_end
    from mfbench.commands.why import lines
    from mfbench.files.machine import usable_cores
    from mfbench.study.study import read_study
    from mfbench.workflow.claim import check_claim
    from mfbench.workflow.engine import SnakemakeRun
    from mfbench.workflow.reruns import planned

    found = read_study(study)
    _ = found.models  # builds them all
    file = os.path.relpath(study)
    check_claim(found.results, file)
    if unlock:
        SnakemakeRun(file, task="unlock").check()
        say("unlocked")
        return
    config = {"training": {"device": device}} if device else {}
    if dry_run:
        say(*lines(found, planned(file, config=config)))
        return
    run_to_the_end(found, file, cores=cores or usable_cores(), config=config)
