"""``mfbench status``: how many cells of a study are done, running, failed, ... or missing."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import Annotated

import typer

from mfbench.commands.arguments import Json, StudyFile
from mfbench.commands.output import console, say_json

EXAMPLES = (
    "mfbench status",
    "mfbench status my-study.yaml --watch 30",
    "mfbench status my-study.yaml --failed",
)


def run(
    study: StudyFile = "config.yaml",
    as_json: Json = False,
    watch: Annotated[
        float | None,
        typer.Option(metavar="SECONDS", help="Refresh every SECONDS.", min=0.1, max=86400),
    ] = None,
    failed: Annotated[
        bool, typer.Option("--failed", help="List all cells that need attention.")
    ] = False,
) -> None:
    """Count the cells of a study by their state.

    A cell is done, running, failed, diverged, extended (members were added) or missing. Changes
    nothing. Run it in the folder where the study runs.
    """
    if as_json and watch:
        raise typer.BadParameter("give either --json or --watch")
    from mfbench.commands.status_table import SHOWN, document, show
    from mfbench.study.study import read_study
    from mfbench.workflow.status import study_status

    found = read_study(study)
    if as_json:
        say_json(document(found, study_status(found)))
        return
    screen = console()
    limit = None if failed else SHOWN
    with suppress(KeyboardInterrupt):
        show(screen, found, study_status(found), limit=limit)
        while watch:
            time.sleep(watch)
            status = study_status(found)
            screen.clear()
            show(screen, found, status, limit=limit)
