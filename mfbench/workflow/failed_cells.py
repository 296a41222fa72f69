"""How many cells of a study failed, for the last word of a run; nothing heavy is imported."""

from __future__ import annotations

from pathlib import Path

import netCDF4


def count_failed(cube: str | Path) -> int:
    """Number of failed cells of a benchmark cube, 0 where there is no cube that can be read.

    Parameters
    ----------
    cube : path
        ``<results>/cubes/benchmark.nc``.
    """
    if not Path(cube).is_file():
        return 0
    try:
        with netCDF4.Dataset(cube) as file:
            texts = file.variables.get("message")  # a cube of an earlier version has none
            return 0 if texts is None else int((texts[:] != "").sum())
    except OSError:  # whoever reads it for its numbers says what is wrong; the run ended well
        return 0
