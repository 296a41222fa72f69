"""The cube that a user names, looked for before anything heavy is imported."""

from __future__ import annotations

from pathlib import Path

from mfbench.files.paths import Paths
from mfbench.files.reference import reference_cubes

_STARTS = (b"\x89HDF\r\n\x1a\n", b"CDF")  # of NetCDF 4 and 3


def cube_path(path: str | Path) -> Path:
    """The path of a cube that is there, or of one that ships with mfbench, such as ``reference``.

    Raises
    ------
    OSError
        It is not, or it is no NetCDF file; the message names a cube nearby, if there is one.
    """
    found = Path(path)
    if not found.is_file() and str(path) in (shipped := reference_cubes()):
        return shipped[str(path)]
    if found.is_dir():
        raise IsADirectoryError(f"{found} is a folder, and a cube is a file{_hint(found)}")
    if not found.exists():
        raise FileNotFoundError(f"{found}: No such file{_hint(found.parent)}")
    with found.open("rb") as file:
        if not file.read(8).startswith(_STARTS):
            raise OSError(f"{found} is not a cube (a NetCDF file){_hint(found.parent)}")
    return found


def _hint(folder: Path) -> str:
    """The newest cube of a study in a folder, in one of several studies, or in one above these."""
    patterns = [*(Paths(place).file("benchmark") for place in (".", "*", "*/*")), "*.nc"]
    there = [path for pattern in patterns for path in folder.glob(pattern) if path.is_file()]
    if not there:
        return f"; a study that has run has its cube in {Paths('results/NAME').file('benchmark')}"
    return f"; did you mean {max(there, key=lambda path: path.stat().st_mtime)}?"
