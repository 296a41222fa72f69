"""Does an evaluation file belong to this study, and to its name?"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mfbench.config.training import changed
from mfbench.storage import BrokenFileError, check_identity, check_variables

# Where the workflow keeps it; elsewhere a name says nothing.
_PLACE = re.compile(r"(?:.*/)?([^/]+)/width=(\d+)/([^/]+?)(?:\.refined)?\.nc")
_NAMES = ("architecture_name", "width", "kernel")
# Evaluations differ in these from a study that got more or fewer of them, and are still its own.
_AXES = ("learning_rates", "seeds")


def check_evaluation(
    path: str | Path, attributes: Mapping[str, Any], study: Mapping[str, Any]
) -> None:
    """Refuse an evaluation of another group than its path says, or of another study.

    Parameters
    ----------
    path : path
        The file; its place counts where it is ``.../ARCHITECTURE/width=WIDTH/KERNEL.nc``.
    attributes : mapping
        Its global attributes.
    study : mapping
        The resolved study, as a cube keeps it.

    Raises
    ------
    BrokenFileError
        The message names the file and the first difference.
    """
    check_variables(path, "evaluation", attributes, needed=(*_NAMES, "settings"))
    name, kernel = str(attributes["architecture_name"]), str(attributes["kernel"])
    found = {
        **json.loads(attributes["settings"]),
        "architecture_name": name,
        "width": int(attributes["width"]),
        "kernel": kernel,
    }
    if place := _PLACE.fullmatch(Path(path).as_posix()):
        names = {"architecture_name": place[1], "width": int(place[2]), "kernel": place[3]}
        check_identity(path, found, names)
    entry = study["architectures"].get(name)
    if entry is None:
        raise BrokenFileError(path, f"it holds the architecture {name}, which this study lacks")
    training = changed(study["training"], entry.get("training", {}))
    wanted = {
        "task": study["task"],
        "architecture": {k: v for k, v in entry.items() if k not in ("widths", "training")},
        "training": {k: v for k, v in training.items() if k not in _AXES},
        "evaluation": {k: v for k, v in study["evaluation"].items() if k != "success"},
    }
    check_identity(path, found, wanted)
