"""Files that are either whole or not there, whatever kills the process or fills the disk."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from mfbench.files.integrity import BrokenFileError, seal
from mfbench.files.machine import alive, this_machine

_PROBE = 2**20  # bytes that a disk with room takes


def _umask() -> int:
    """The process's mask of permissions, which can only be read by setting it."""
    mask = os.umask(0)
    os.umask(mask)
    return mask


_UMASK = _umask()


@contextmanager
def atomic(path: str | Path) -> Iterator[Path]:
    """A temporary path in the same folder that becomes `path` when the block ends well.

    The file is sealed (`mfbench.files.integrity`) and flushed to disk before it is renamed, and
    removed when the block raises, so a file under its final name is always complete. Temporary
    files of the same `path` that killed processes of this host left are removed first.

    Raises
    ------
    OSError
        The disk is full or cannot be written; the error names `path`. Libraries report this
        unreliably, so a failed write probes the disk itself.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    _remove_leftovers(path)
    temporary = path.with_name(f".{path.name}.{this_machine()}.{os.getpid()}.tmp")
    try:
        yield temporary
        seal(temporary, path.suffix)
        with open(temporary, "rb+") as file:
            os.fsync(file.fileno())
        # Some writers make files private; a group that shares a study must read each other's.
        temporary.chmod(0o666 & ~_UMASK)
        temporary.replace(path)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)  # the new name itself
        finally:
            os.close(folder)
    except BrokenFileError:
        raise  # of what was read
    except Exception as error:
        problem = _problem_of_the_disk(error, temporary)
        if problem is None:
            raise
        raise OSError(problem.errno, problem.strerror, str(path)) from error
    finally:
        with suppress(OSError):  # a disk that became read-only keeps it
            temporary.unlink(missing_ok=True)


def _problem_of_the_disk(error: Exception, temporary: Path) -> OSError | None:
    """What the system says against writing the file; None where the error has another cause."""
    try:  # HDF5 reports a full disk as a file that it may not create, or gives no reason
        with open(temporary, "ab") as file:
            file.write(bytes(_PROBE))
            file.flush()
            os.fsync(file.fileno())
    except OSError as refusal:
        return refusal
    if isinstance(error, OSError) and str(temporary) in (error.filename, error.filename2):
        return error
    return None


def _remove_leftovers(path: Path) -> None:
    """Remove temporary files of the same name whose writers on this host are dead."""
    head, tail = f".{path.name}.{this_machine()}.", ".tmp"
    with os.scandir(path.parent) as entries:
        names = [e.name for e in entries if e.name.startswith(head) and e.name.endswith(tail)]
    for name in names:
        process = name[len(head) : -len(tail)]
        if process.isdecimal() and not alive(int(process)):
            with suppress(OSError):  # another writer was faster, or it belongs to somebody else
                path.with_name(name).unlink(missing_ok=True)


def write_text(path: str | Path, text: str) -> None:
    """Write a text file atomically."""
    with atomic(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
