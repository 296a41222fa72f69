"""The cubes of the reference study, which ship with mfbench."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).parent.parent
# A wheel has them in the package, a clone beside it.
_FOLDERS = (_PACKAGE / "_reference", _PACKAGE.parent / "reference")


def reference_cubes() -> dict[str, Path]:
    """The shipped cubes by name: ``reference`` and, for other tasks, ``reference_...``."""
    return {path.stem: path for folder in _FOLDERS for path in sorted(folder.glob("*.nc"))}
