"""``mfbench clean``: remove results that a study no longer needs."""

from __future__ import annotations

import os
import sys
from collections import defaultdict
from pathlib import Path
from typing import Annotated

import typer
from rich.filesize import decimal

from mfbench.commands.arguments import Json, StudyFile
from mfbench.commands.output import say, say_json
from mfbench.words import counted

EXAMPLES = ("mfbench clean my-study.yaml", "mfbench clean my-study.yaml --yes")


def run(
    study: StudyFile = "config.yaml",
    yes: Annotated[bool, typer.Option("--yes", help="Remove them without asking.")] = False,
    as_json: Json = False,
) -> None:
    """Remove results that a study no longer needs.

    These belong to levels, kernels, architectures, learning rates, seeds or phases that the study
    file no longer has. They are listed first. Other files in the folder are left alone. Run it in
    the folder where the study runs.
    """
    from mfbench.study.study import read_study
    from mfbench.workflow.claim import check_claim
    from mfbench.workflow.unneeded import unneeded

    found = read_study(study)
    check_claim(found.results, os.path.relpath(study))
    if not Path(found.results).is_dir():
        raise ValueError(
            f"there is no folder {found.results} here: run this where the study was run"
        )
    sizes = {path: path.stat().st_size for path in unneeded(found)}
    if as_json:
        files = [{"file": str(path), "bytes": count} for path, count in sizes.items()]
        say_json({"removed": yes, "files": files})
    else:
        _list(sizes, found.results)
    if not sizes:
        return
    if not yes and not as_json and sys.stdin.isatty():
        yes = typer.confirm("Remove them?")
    if yes:
        for path in sizes:
            path.unlink()
            _remove_empty(path.parent, Path(found.results))
        if not as_json:
            say("removed")
    elif not as_json:
        say("Nothing was removed; --yes removes them.")


def _list(sizes: dict[Path, int], results: str) -> None:
    """A line per folder."""
    folders: dict[Path, list[int]] = defaultdict(list)
    for path, count in sizes.items():
        folders[path.parent].append(count)
    for folder, files in folders.items():
        say(f"{decimal(sum(files)):>10}  {folder} ({counted(len(files), 'file')})")
    if not sizes:
        say(f"{results} holds nothing that the study no longer needs.")
    else:
        say(f"{decimal(sum(sizes.values())):>10}  in all ({counted(len(sizes), 'file')})")


def _remove_empty(folder: Path, top: Path) -> None:
    """Remove a folder and those above it, up to the results, as far as they are empty."""
    while folder != top and not any(folder.iterdir()):
        folder.rmdir()
        folder = folder.parent
