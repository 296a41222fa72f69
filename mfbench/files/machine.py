"""The machine that this process runs on: its processes and its cores."""

from __future__ import annotations

import hashlib
import os
import platform
import sys
from functools import cache
from pathlib import Path


@cache
def this_machine() -> str:
    """An identifier that two processes share only if they can see each other.

    It combines boot and PID namespace: containers and cloned machines can share a host name but not
    processes.

    Returns
    -------
    str
        12 hexadecimal digits.
    """
    parts = [platform.node()]
    try:
        parts.append(Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii"))
        parts.append(str(Path("/proc/self/ns/pid").readlink()))
    except OSError:
        pass  # no Linux: the name has to do
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:12]


def usable_cores() -> int:
    """Number of cores that this process may use."""
    if sys.platform == "linux":
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def alive(pid: int) -> bool:
    """Whether this machine has a process with this number."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True  # it belongs to somebody else
    return True
