"""``mfbench estimate``: time, memory and disk that a study will take."""

from __future__ import annotations

import os
from typing import Annotated

import typer
from rich.filesize import decimal

from mfbench.commands.arguments import Json, StudyFile
from mfbench.commands.output import say, say_json
from mfbench.words import counted

EXAMPLES = ("mfbench estimate my-study.yaml", "mfbench estimate my-study.yaml --cores 8 --json")


def run(
    study: StudyFile = "config.yaml",
    cores: Annotated[int | None, typer.Option(min=1, help="Jobs at once; default: all.")] = None,
    as_json: Json = False,
) -> None:
    """Estimate the time, memory and disk of a study.

    On this machine, from the records of earlier jobs of the same models (in results/), or else by
    training each model for a few steps, which takes about 20 seconds. The phases refine and
    diagnose are not included.
    """
    from mfbench.commands.units import duration
    from mfbench.files.machine import usable_cores
    from mfbench.study.study import LATER_PHASES, read_study
    from mfbench.workflow.estimate import estimate

    found = read_study(study)
    _ = found.models  # builds them all
    cores = cores or usable_cores()
    result = estimate(found, os.path.relpath(study), cores=cores)
    document = {
        "study": found.name,
        "jobs_at_once": result.parallel,
        "seconds": round(result.seconds()),
        "seconds_left": round(result.seconds(left=True)),
        "memory_mb": round(result.memory),
        "disk_mb": round(result.disk),
        "stages": [
            {
                "stage": name,
                "jobs": len(stage.jobs),
                "jobs_left": len(stage.left),
                "job_seconds": round(sum(stage.jobs)),
                "job_seconds_left": round(sum(stage.left)),
                "memory_mb": round(stage.memory),
                "disk_mb": round(stage.disk, 1),
                "basis": stage.basis,
            }
            for name, stage in result.stages.items()
        ],
    }
    if as_json:
        say_json(document)
        return
    for name, stage in result.stages.items():
        say(
            f"{name:<10} {len(stage.jobs):>5} x {_size(stage.memory):>8}  "
            f"{duration(sum(stage.jobs)):>6}  {_size(stage.disk):>8} on disk  {stage.basis}"
        )
    whole, left = duration(result.seconds()), duration(result.seconds(left=True))
    say(
        f"about {whole} with {counted(result.parallel, 'job')} at once, {left} of it still to do; "
        f"{_size(result.memory)} of memory, {_size(result.disk)} of disk"
    )
    if later := [phase for phase in LATER_PHASES if phase in found.phases]:
        say(f"not included: {' and '.join(later)}")


def _size(megabytes: float) -> str:
    return decimal(round(1e6 * megabytes))
