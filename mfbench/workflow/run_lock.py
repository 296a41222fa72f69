"""Several runs of one study at once, each with a part of its own.

Snakemake's own locks keep a second run out, but any run that ends removes those of all others, and
a run that is being planned at that moment then fails. Runs that share a study are therefore
started with ``--nolock`` and hold the locks of this module: byte ranges of one file, which the
kernel releases when a process ends, however it does, and which network file systems pass on
between hosts.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
from collections.abc import Iterable, Mapping
from pathlib import Path

_held: list[int] = []  # locks live as long as their file is open


def part_of(rule: str, wildcards: Mapping[str, str]) -> str:
    """The part of a study that a job belongs to; two runs never make one part at the same time."""
    kernel, architecture = wildcards.get("kernel"), wildcards.get("architecture")
    if architecture and kernel:
        return f"{architecture} on {kernel}"
    return f"{rule} of {architecture or kernel}" if architecture or kernel else rule


def lock_parts(results: str | Path, made: Iterable[str], *, read: Iterable[str] = ()) -> None:
    """Lock parts of a study until this process ends.

    Parameters
    ----------
    results : path
        The folder of the study's results.
    made : iterable of str
        Parts that this run makes: no other run may make or read them.
    read : iterable of str
        Parts that this run reads: other runs may read them too.

    Raises
    ------
    ValueError
        Another run has locked one of them, or the file system has no locks.
    """
    made = set(made)
    path = Path(results) / ".locks"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        raise ValueError(f"{path} cannot be opened for the locks of runs: {error}") from error
    try:
        for part in sorted(made | set(read)):
            kind = fcntl.LOCK_EX if part in made else fcntl.LOCK_SH
            # One byte somewhere in a range so large that no two parts meet there.
            place = int(hashlib.sha256(part.encode()).hexdigest()[:15], 16)
            try:
                fcntl.lockf(file, kind | fcntl.LOCK_NB, 1, place)
            except OSError as error:
                if error.errno in (errno.EACCES, errno.EAGAIN):
                    raise ValueError(
                        f"another run is at work on {part} in {results}: let it end, or choose "
                        "other parts (what parts share is made first, with the target `shared`)"
                    ) from None
                raise ValueError(
                    f"{path} cannot be locked ({error.strerror}): without --nolock one run at a "
                    "time works here"
                ) from error
    except ValueError:
        os.close(file)
        raise
    _held.append(file)
