"""How a process keeps the memory that it frees."""

from __future__ import annotations

import ctypes

# Of mallopt in glibc's malloc.h.
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
_BYTES = 2**30


def keep_freed_memory() -> None:
    """Let glibc use freed memory again where it would give it back to the system.

    Tensors of 128 kB to 32 MB are freed and allocated again in every operation, and the system
    clears each of their pages anew. With another C library this does nothing.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return
    mallopt(_MMAP_THRESHOLD, _BYTES)
    mallopt(_TRIM_THRESHOLD, _BYTES)
