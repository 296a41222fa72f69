"""``mfbench why``: which jobs would run, and for which reason."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from mfbench.commands.arguments import Json, StudyFile
from mfbench.commands.output import say, say_json
from mfbench.words import counted

if TYPE_CHECKING:
    from mfbench.study.study import Study
    from mfbench.workflow.reruns import PlannedStage

EXAMPLES = ("mfbench why my-study.yaml", "mfbench why my-study.yaml --json")


def run(study: StudyFile = "config.yaml", as_json: Json = False) -> None:
    """Say what `mfbench run` would do and why, in a line per stage.

    A job runs if it has no result, if its settings, its inputs or the code that can change its
    numbers have changed, or if a job before it runs. Failure alone does not make a cell run again;
    failed cells are counted, with their reasons. Changes nothing.
    """
    from mfbench.study.study import read_study
    from mfbench.workflow.reruns import planned

    found = read_study(study)
    stages = planned(os.path.relpath(study), config={})
    if not as_json:
        say(*lines(found, stages))
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
    say_json({"study": found.name, "stages": content})


def lines(study: Study, stages: Mapping[str, PlannedStage]) -> Iterator[str]:
    """A line per stage, and the cells that failed."""
    from mfbench.commands.failures import failed_lines
    from mfbench.files.paths import Paths
    from mfbench.workflow.status import study_status

    if stages:
        yield from _planned(study, stages)
    else:
        yield f"nothing to be done: {Paths(study.results).file('report')} is up to date"
    yield from failed_lines(study, study_status(study))


def _planned(study: Study, stages: Mapping[str, PlannedStage]) -> Iterator[str]:
    from mfbench.workflow.progress import STAGE_NAMES

    names = {rule: STAGE_NAMES.get(rule, rule) for rule in stages}
    width = max(map(len, names.values()))
    for rule, stage in stages.items():
        jobs = counted(stage.jobs, "job")
        shown = [
            reason + _who(study, stage, reason, count) for reason, count in stage.reasons.items()
        ]
        yield f"{names[rule]:<{width}}  {jobs:>9}  {'; '.join(shown)}"
    if study.phases[1:]:
        yield f"{' and '.join(study.phases[1:])} may add jobs, depending on results"


def _who(study: Study, stage: PlannedStage, reason: str, count: int) -> str:
    """Which of the stage's jobs have a reason, if not all of them do."""
    architectures = stage.architectures[reason]
    if architectures and len(architectures) < len(study.architectures):
        return f" ({', '.join(a for a in study.architectures if a in architectures)})"
    return f" ({count} of them)" if count < stage.jobs else ""
