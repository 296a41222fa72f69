"""Whose fault an error is: the architecture's own code, or the machine."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import torch

# What torch says, as a plain RuntimeError, where memory is short or a GPU is at fault.
_OF_THE_MACHINE = re.compile(
    r"allocate memory|memory allocation|not enough memory|out of memory|bad_alloc"
    r"|could not create a primitive|cuda|cublas|cudnn|cufft|cusolver|cusparse|nvrtc|hip error",
    re.IGNORECASE,
)


class ArchitectureError(ValueError):
    """An architecture's own code breaks: no fault of the task, of mfbench or of the machine."""


@contextmanager
def own_code() -> Iterator[None]:
    """Turn what an architecture's own code raises into an ArchitectureError.

    To be put around calls of that code alone. What is the machine's (memory, files, the GPU)
    passes as it is: it may work another time.
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
    """Say in an ArchitectureError what was being done, as in 'step 12'."""
    try:
        yield
    except ArchitectureError as error:
        raise ArchitectureError(f"{what}: {error}") from error


def of_the_machine(error: BaseException) -> bool:
    """Whether an error says nothing about the code that met it: memory, files, or the GPU."""
    if isinstance(error, MemoryError | OSError | torch.OutOfMemoryError):
        return True
    fault: type[BaseException] | None = getattr(torch, "AcceleratorError", None)  # since torch 2.8
    if fault is not None and isinstance(error, fault):
        return True
    return isinstance(error, RuntimeError) and bool(_OF_THE_MACHINE.search(str(error)))
