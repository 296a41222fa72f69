"""A results folder serves one study file."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from mfbench.files import write_text


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
