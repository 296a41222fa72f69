"""The failed cells of a file of results, for the display of a run; nothing heavy is imported."""

from __future__ import annotations

from pathlib import Path

import netCDF4


def failed_cells(path: str | Path) -> list[str]:
    """The message of each failed cell in a training record, an evaluation or a cube.

    Parameters
    ----------
    path : path
        Empty for a file that cannot be read: whoever needs its numbers says what is wrong.
    """
    if Path(path).suffix != ".nc":
        return []
    try:
        with netCDF4.Dataset(path) as file:
            texts = file.variables.get("message")  # a cube of an earlier version has none
            return [] if texts is None else [text for text in texts[:].flat if text]
    except OSError:
        return []
