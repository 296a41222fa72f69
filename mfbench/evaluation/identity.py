"""Does a file of evaluations belong to this study, and to its name?"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mfbench.files import BrokenFileError, check_identity, check_variables
from mfbench.study.training import merged

# Where the workflow keeps it; elsewhere a name says nothing.
_PLACE = re.compile(r"(?:.*/)?([^/]+)/width=(\d+)/([^/]+?)(?:\.refined)?\.nc")
_PLACE_OF_ALL = re.compile(r"(?:.*/)?cubes/(architectures|added)/([^/]+)\.nc")
# Evaluations differ in these from a study that got more or fewer of them, and are still its own.
_AXES = ("learning_rates", "seeds")


def check_evaluations(
    path: str | Path, attributes: Mapping[str, Any], expected: Mapping[str, Any]
) -> None:
    """Refuse evaluations of another group than their path says, or that were made otherwise.

    Parameters
    ----------
    path : path
        A file of one evaluation or of all of an architecture. Its place counts where it is
        ``.../ARCHITECTURE/width=WIDTH/KERNEL.nc`` or ``.../cubes/architectures/ARCHITECTURE.nc``.
    attributes : mapping
        Its global attributes.
    expected : mapping
        The settings that it must have been made with.

    Raises
    ------
    BrokenFileError
        The message names the file and the first difference.
    """
    of_one = "kernel" in attributes
    names = ("architecture_name", "width", "kernel") if of_one else ("architecture_name",)
    check_variables(path, "evaluation", attributes, needed=(*names, "settings"))
    found = json.loads(attributes["settings"])
    found |= {name: attributes[name] for name in names}
    if of_one:
        found["width"] = int(found["width"])
    check_identity(path, found, {**_named(Path(path).as_posix()), **expected})


def _named(path: str) -> dict[str, Any]:
    """What a file must hold by its path."""
    if place := _PLACE_OF_ALL.fullmatch(path):
        return {"architecture_name": place[2], "kernel": None}
    if place := _PLACE.fullmatch(path):
        return {"architecture_name": place[1], "width": int(place[2]), "kernel": place[3]}
    return {}


def check_of_study(
    path: str | Path, attributes: Mapping[str, Any], study: Mapping[str, Any]
) -> None:
    """Refuse evaluations of another study, or of another group than their path says.

    Parameters
    ----------
    path, attributes
        As for `check_evaluations`.
    study : mapping
        The resolved study, as a cube keeps it.

    Raises
    ------
    BrokenFileError
        The message names the file and the first difference.
    """
    check_variables(path, "evaluation", attributes, needed=("architecture_name",))
    name = str(attributes["architecture_name"])
    entry = study["architectures"].get(name)
    if entry is None:
        raise BrokenFileError(path, f"it holds the architecture {name}, which this study lacks")
    training = merged(study["training"], entry.get("training", {}))
    expected = {
        "task": study["task"],
        "architecture": {k: v for k, v in entry.items() if k not in ("widths", "training")},
        "training": {k: v for k, v in training.items() if k not in _AXES},
        "evaluation": {k: v for k, v in study["evaluation"].items() if k != "success"},
    }
    if (place := _PLACE_OF_ALL.fullmatch(Path(path).as_posix())) and place[1] == "architectures":
        expected["levels"] = {
            f"{width}/{kernel}": [task["rho"] for task in tasks]
            for width in entry["widths"]
            for kernel, tasks in study["kernels"].items()
        }
    check_evaluations(path, attributes, expected)
