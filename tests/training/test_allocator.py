"""Freed memory is kept for reuse."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

PROGRAM = """
import resource, sys
from mfbench.training.allocator import keep_freed_memory
if sys.argv[1] == "keep":
    keep_freed_memory()
def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
def work():
    for size in (1, 4, 16):
        bytes(bytearray(size * 2**20))  # written to
work()
before = faults()
for _ in range(20):
    work()
print(faults() - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="needs glibc")
def test_freed_memory_is_used_again() -> None:
    kept, given_back = (
        int(subprocess.check_output([sys.executable, "-c", PROGRAM, how]))
        for how in ("keep", "give back")
    )
    pages = 20 * 2 * 21 * 2**20 // 4096
    assert kept < 0.01 * pages
    assert given_back > 0.1 * pages  # otherwise keep_freed_memory is not needed
