"""Tell errors in an architecture's own code from errors of the machine.

The type of the exception tells them apart, with two exceptions: in torch 2.13, failed allocations
on a CPU and failures of CUDA's libraries are plain RuntimeErrors, as are most mistakes in a model.
After a RuntimeError, memory and GPU are therefore tested.
"""

from __future__ import annotations

import io
import mmap
import resource
import sysconfig
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

# OSErrors of code that asks for the wrong file; others come from disks, networks and memory.
_OF_THE_CODE = (
    FileNotFoundError,
    FileExistsError,
    IsADirectoryError,
    NotADirectoryError,
    io.UnsupportedOperation,
)
_NO_USERS = frozenset({Path(__file__).parents[1], Path(sysconfig.get_path("stdlib"))})
_DEVICE_ASSERT = 710  # cudaErrorAssert: an index out of range, for example
_WORKSPACE = 256 << 20  # bytes that CUDA's libraries allocate, at most


class ArchitectureError(ValueError):
    """The fault lies in an architecture's own code, not in the task, mfbench or the machine."""


@contextmanager
def own_code() -> Iterator[None]:
    """Turn exceptions in an architecture's own code into an ArchitectureError.

    Wrap only calls of that code. Errors of the machine (memory, files, the GPU) pass unchanged,
    because a second try may succeed.
    """
    try:
        yield
    except ArchitectureError:
        raise
    except (Exception, SystemExit) as error:
        # Signals raise a subclass of SystemExit (mfbench.workflow.job_state).
        ended = isinstance(error, SystemExit) and type(error) is not SystemExit
        if ended or of_the_machine(error):
            raise
        named = isinstance(error, ValueError)
        text = f"{error}" if named else f"{type(error).__name__}: {error}"
        raise ArchitectureError(text + _place(error)) from error


def _place(error: BaseException) -> str:
    """The last line of a user's file in the traceback, as ' (mine.py:14)'; empty if none."""
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        path = Path(frame.filename)
        installed = {"site-packages", "dist-packages"} & set(path.parts)
        if path.is_file() and not installed and not _NO_USERS.intersection(path.parents):
            return f" ({path.name}:{frame.lineno})"
    return ""


@contextmanager
def during(what: str) -> Iterator[None]:
    """Prefix the message of an ArchitectureError with what failed, for example 'step 12'."""
    try:
        yield
    except ArchitectureError as error:
        raise ArchitectureError(f"{what}: {error}") from error


def of_the_machine(error: BaseException) -> bool:
    """Whether memory, files or the GPU caused an error, rather than the code that raised it.

    Call this while the error is handled: its traceback keeps alive the tensors that filled the
    memory.
    """
    if isinstance(error, torch.AcceleratorError):
        return getattr(error, "error_code", None) != _DEVICE_ASSERT
    if isinstance(error, OSError):
        return not isinstance(error, _OF_THE_CODE)
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return type(error) is RuntimeError and not (_memory_is_left() and _gpu_works())


def _memory_is_left() -> bool:
    """Whether this process may still allocate as much as it holds.

    Allocations fail under a memory limit (`ulimit -v`, strict overcommit). Without one, Linux
    refuses only a tensor larger than the whole machine. That counts as a mistake in the model,
    because no other run on this machine would succeed.
    """
    holds = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    try:
        mmap.mmap(-1, holds).close()  # reserved, never touched
    except (OSError, MemoryError):
        return False
    return True


def _gpu_works() -> bool:
    """Whether the GPU that this process uses, if any, still computes and has memory."""
    if not torch.cuda.is_initialized():
        return True
    try:
        torch.ones(1, device="cuda").add_(1).item()
        free, _ = torch.cuda.mem_get_info()
    except RuntimeError:
        return False
    return free >= _WORKSPACE
