"""``mfbench why``: which jobs would run, and for which reason."""

from __future__ import annotations

import json
import os

import typer

from mfbench.commands.arguments import Json, StudyFile

EXAMPLES = ("mfbench why my-study.yaml", "mfbench why my-study.yaml --json")


def run(study: StudyFile = "config.yaml", as_json: Json = False) -> None:
    """Say what `mfbench run` would do and why, in a line per stage.

    A job runs if it has no result, if its settings, its inputs or the code that can change its
    numbers have changed, or if a job before it runs. Changes nothing.
    """
    from mfbench.commands.reruns import lines, planned
    from mfbench.study.study import read_study

    found = read_study(study)
    stages = planned(os.path.relpath(study), config={})
    if not as_json:
        typer.echo("\n".join(lines(found, stages)))
        return
    content = [
        {
            "stage": rule,
            "jobs": stage.jobs,
            "reasons": [
                {"reason": r, "jobs": n, "architectures": sorted(stage.architectures[r])}
                for r, n in stage.reasons.items()
            ],
        }
        for rule, stage in stages.items()
    ]
    typer.echo(json.dumps({"study": found.name, "stages": content}, indent=1))
