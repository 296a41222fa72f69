"""What each rule's jobs depend on: the resolved settings of a cell, as Snakemake params.

Snakemake compares params by their repr, so only str, int, float, bool, None, lists and dicts with
sorted keys go in; nothing that does not change numbers does (device, checkpoints, folders).
"""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path
from typing import Any

from mfbench.files import write_text
from mfbench.study.study import Study
from mfbench.study.training import EXECUTION


def stable(value: Any) -> Any:
    """The same value with sorted keys and JSON's types only."""
    return json.loads(json.dumps(value, sort_keys=True))


def dataset_settings(study: Study) -> dict[str, Any]:
    """What a dataset depends on beside its kernel and rho."""
    return stable(study.task.model_dump())  # type: ignore[no-any-return]


def floor_settings(study: Study) -> dict[str, Any]:
    """What the floors of a task depend on beside its kernel and rho."""
    task = study.task.model_dump(include={"length", "scored_from"})
    return stable({"task": task, "floors": study.floors.model_dump()})  # type: ignore[no-any-return]


def training_settings(study: Study, *, architecture: str, width: int) -> dict[str, Any]:
    """What a trained cell depends on; of its dataset, all but the kernel and rho."""
    return stable(  # type: ignore[no-any-return]
        {
            "task": study.task.model_dump(),
            "architecture": study.architectures[architecture].resolved(),
            "width": width,
            "training": study.training_of(architecture).model_dump(exclude=set(EXECUTION)),
        }
    )


def evaluation_settings(study: Study, *, architecture: str, width: int) -> dict[str, Any]:
    """What an evaluation depends on; of its datasets and cells, all but the kernel and rho."""
    return stable(  # type: ignore[no-any-return]
        {
            **training_settings(study, architecture=architecture, width=width),
            # What counts as success is a matter of the cube.
            "evaluation": study.evaluation.model_dump(exclude={"success"}),
        }
    )


def study_settings(study: Study) -> dict[str, Any]:
    """The whole study as it is kept in the cube and shown in the report."""
    settings = study.model_dump(exclude={"results": True, "training": set(EXECUTION)})
    settings["architectures"] = {
        name: entry.resolved() | {"widths": entry.widths, "training": entry.training.given()}
        for name, entry in study.architectures.items()
    }
    settings["kernels"] = {
        kernel: [level.model_dump() for level in study.levels(kernel)] for kernel in study.kernels
    }
    return stable(settings)  # type: ignore[no-any-return]


def claim(results: str | Path, owner: str) -> None:
    """Make sure that a results folder serves one study file only, and note whose it is.

    Raises
    ------
    ValueError
        The folder belongs to another study file, or cannot be written.
    """
    check_claim(results, owner)
    marker = Path(results) / ".study"
    try:
        if not marker.is_file():  # of several runs at once only the first writes
            write_text(marker, owner + "\n")
        elif not os.access(results, os.W_OK):
            raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(results))
    except OSError as error:
        raise ValueError(
            f"the results folder {results} cannot be written ({error}): nothing was run; make room "
            "or make it writable, or give the study another `results`"
        ) from None


def check_claim(results: str | Path, owner: str) -> None:
    """Raise ValueError where a results folder belongs to another study file."""
    marker = Path(results) / ".study"
    try:
        found = marker.read_text(encoding="utf-8").strip() if marker.is_file() else owner
    except UnicodeDecodeError:
        raise ValueError(
            f"{marker}: corrupt, it should name the study file that the folder belongs to; delete "
            f"it if that is {owner}"
        ) from None
    if found and found != owner:
        raise ValueError(
            f"the results folder {results} belongs to the study file {found}, not to {owner}: "
            f"give this study another `name` or `results` (or delete {marker} if {found} has "
            "been renamed)"
        )
