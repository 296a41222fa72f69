"""Tell errors in an architecture's own code from errors of the machine."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import torch

# Messages of torch's plain RuntimeErrors when memory runs out or a GPU fails.
_OF_THE_MACHINE = re.compile(
    r"allocate memory|memory allocation|not enough memory|out of memory|bad_alloc"
    r"|could not create a primitive|cuda|cublas|cudnn|cufft|cusolver|cusparse|nvrtc|hip error",
    re.IGNORECASE,
)


class ArchitectureError(ValueError):
    """An architecture's own code fails, not the task, mfbench or the machine."""


@contextmanager
def own_code() -> Iterator[None]:
    """Turn exceptions in an architecture's own code into an ArchitectureError.

    Wrap only calls of that code. Errors of the machine (memory, files, the GPU) pass unchanged: the
    call may succeed another time.
    """
    try:
        yield
    except ArchitectureError:
        raise
    except Exception as error:
        if of_the_machine(error):
            raise
        named = isinstance(error, ValueError)
        text = f"{error}" if named else f"{type(error).__name__}: {error}"
        raise ArchitectureError(text) from error


@contextmanager
def during(what: str) -> Iterator[None]:
    """Prefix the message of an ArchitectureError with what failed, for example 'step 12'."""
    try:
        yield
    except ArchitectureError as error:
        raise ArchitectureError(f"{what}: {error}") from error


def of_the_machine(error: BaseException) -> bool:
    """Whether memory, files or the GPU caused an error, and not the code that raised it."""
    if isinstance(error, MemoryError | OSError | torch.OutOfMemoryError):
        return True
    fault: type[BaseException] | None = getattr(torch, "AcceleratorError", None)  # since torch 2.8
    if fault is not None and isinstance(error, fault):
        return True
    return isinstance(error, RuntimeError) and bool(_OF_THE_MACHINE.search(str(error)))
