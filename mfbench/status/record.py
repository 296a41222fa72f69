"""What the files of a study say about how they were made and how it went; not their numbers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import netCDF4

from mfbench.training.status import STATUS
from mfbench.workflow.packs import levels_of

Kind = Literal["training", "evaluation"]
_DIMENSIONS = {"status": ("level", "learning_rate", "seed"), "rho": ("level",)}


class UnreadableError(ValueError):
    """A file that is there and is none of ours, or not whole; the message says what is wrong."""


@dataclass(frozen=True)
class Record:
    """What a training record or an evaluation says about itself.

    Attributes
    ----------
    settings : dict
        The resolved settings that made it.
    written : str
        When, as ISO 8601 in UTC, by the clock of the job. It is part of the file and not the time
        of the file, which copying changes.
    rho : tuple of float
        Its levels.
    statuses : tuple of tuple of int
        For each level, the code of every member, an index into `STATUS`.
    failure : tuple of str
        The message of each level, empty where it did not fail; none in files without such.
    """

    settings: Mapping[str, Any]
    written: str
    rho: tuple[float, ...]
    statuses: tuple[tuple[int, ...], ...]
    failure: tuple[str, ...] = ()


def read_record(path: str, kind: Kind) -> Record | UnreadableError | None:
    """Read a file, None where it is not there, or not any more.

    Errors are returned, so that one broken file does not end the reading of thousands.
    """
    try:
        return _read(path, kind)
    # netCDF4 raises many things on truncated and foreign files.
    except Exception as error:
        if not Path(path).exists():
            return None
        return UnreadableError(str(error) or type(error).__name__)


def _read(path: str, kind: Kind) -> Record:
    with netCDF4.Dataset(path) as file:
        settings = json.loads(file.getncattr("settings"))
        written = str(file.getncattr("history")).splitlines()[-1].partition(": written by")[0]
        if not isinstance(settings, dict):
            raise UnreadableError("its attribute settings is no JSON object")
        variables = file.variables
        for name in ("status", "rho"):
            if name not in variables or variables[name].dimensions != _DIMENSIONS[name]:
                raise UnreadableError(f"it has no {name}({', '.join(_DIMENSIONS[name])})")
            variables[name].set_auto_maskandscale(False)
        levels = len(file.dimensions["level"])
        codes = variables["status"][:].reshape(levels, -1).tolist()
        statuses = tuple(tuple(members) for members in codes)
        rho = tuple(float(value) for value in variables["rho"][:])
        failure = tuple(variables["failure"][:]) if "failure" in variables else ()
    allowed = range(1, len(STATUS))
    if not all(codes and set(codes) <= set(allowed) for codes in statuses):
        raise UnreadableError(f"its status is not {allowed[0]} to {allowed[-1]} everywhere")
    if kind == "training":
        record = Path(path)
        named = levels_of(record.name.removeprefix("rho=").removesuffix(".nc"))
        if rho != tuple(float(level) for level in named):
            raise UnreadableError(f"it holds rho = {', '.join(map(str, rho))}, not what it says")
        weights = record.with_suffix(".safetensors")
        if not weights.exists():
            raise UnreadableError(f"its weights {weights.name} are not there")
    return Record(settings, written, rho, statuses, failure)
