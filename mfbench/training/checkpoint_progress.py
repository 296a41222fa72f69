"""How far the members of a cell are, by their checkpoints; torch is not imported."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path

from safetensors import SafetensorError, safe_open


def members_trained(folder: str | Path, *, since: float) -> float:
    """Members of a cell that have been trained since a time; part of one counts as a fraction.

    Parameters
    ----------
    folder : path
        The folder of the cell's checkpoints.
    since : float
        Seconds since the epoch; older checkpoints are not counted.
    """
    done = 0.0
    for path in Path(folder).glob("steps=*.safetensors"):
        with suppress(OSError, SafetensorError, KeyError, ValueError):  # it may be replaced now
            if path.stat().st_mtime < since:
                continue
            with safe_open(path, framework="numpy") as file:
                progress = json.loads(file.metadata()["progress"])
            steps = int(path.name.removeprefix("steps=").partition(",")[0])
            done += 1.0 if progress["diverged_step"] >= 0 else progress["step"] / steps
    return done
