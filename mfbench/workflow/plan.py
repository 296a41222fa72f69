"""What each rule's jobs depend on: the resolved settings of a cell, as Snakemake params.

Snakemake compares params by their repr, so only str, int, float, bool, None, lists and dicts with
sorted keys go in; nothing that does not change numbers does (device, checkpoints, folders).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from mfbench.config.study import Study
from mfbench.storage import write_text

_DEVICES = Path("/dev")
# How a job runs: changing it reruns nothing. (Members that are still to be trained do follow the
# device, and their checkpoints are kept apart by it; files record what they were trained on.)
_EXECUTION = {"device", "checkpoints"}


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
    """What a trained cell depends on beside its dataset."""
    return stable(  # type: ignore[no-any-return]
        {
            "architecture": study.architectures[architecture].resolved(),
            "width": width,
            "training": study.training_of(architecture).model_dump(exclude=_EXECUTION),
        }
    )


def evaluation_settings(study: Study, *, architecture: str, width: int) -> dict[str, Any]:
    """What an evaluation depends on beside its datasets and trained cells."""
    return stable(  # type: ignore[no-any-return]
        {
            "architecture": study.architectures[architecture].resolved(),
            "width": width,
            # What counts as success is a matter of the cube.
            "evaluation": study.evaluation.model_dump(exclude={"success"}),
        }
    )


def study_settings(study: Study) -> dict[str, Any]:
    """The whole study as it is kept in the cube and shown in the report."""
    settings = study.model_dump(exclude={"results": True, "training": _EXECUTION})
    settings["architectures"] = {
        name: entry.resolved() | {"widths": entry.widths, "training": entry.training.given()}
        for name, entry in study.architectures.items()
    }
    settings["kernels"] = {
        kernel: [level.model_dump() for level in study.levels(kernel)] for kernel in study.kernels
    }
    return stable(settings)  # type: ignore[no-any-return]


def gpus_for(device: str) -> int:
    """GPUs that a training job asks for; ``auto`` asks for one where this machine has one."""
    if device == "auto":
        return int(any(_DEVICES.glob("nvidia[0-9]*")))
    return int(device == "cuda")


def claim(results: str | Path, owner: str) -> None:
    """Make sure that a results folder serves one study file only, and note whose it is.

    Raises
    ------
    ValueError
        The folder belongs to another study file.
    """
    check_claim(results, owner)
    if not (Path(results) / ".study").is_file():  # of several runs at once only the first writes
        write_text(Path(results) / ".study", owner + "\n")


def check_claim(results: str | Path, owner: str) -> None:
    """Raise ValueError where a results folder belongs to another study file."""
    marker = Path(results) / ".study"
    found = marker.read_text(encoding="utf-8").strip() if marker.is_file() else owner
    if found and found != owner:
        raise ValueError(
            f"the results folder {results} belongs to the study file {found}, not to {owner}: "
            f"give this study another `name` or `results` (or delete {marker} if {found} has "
            "been renamed)"
        )
