"""Make a process keep the memory that it frees."""

from __future__ import annotations

import ctypes

# Parameters of mallopt, from glibc's malloc.h.
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
_BYTES = 2**30


def keep_freed_memory() -> None:
    """Make glibc reuse freed memory instead of returning it to the system.

    Every operation frees and allocates tensors of 128 kB to 32 MB, and the system would clear
    their pages each time. Does nothing with other C libraries.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return
    mallopt(_MMAP_THRESHOLD, _BYTES)
    mallopt(_TRIM_THRESHOLD, _BYTES)
