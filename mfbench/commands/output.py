"""Standard output: what a command says goes there, and nothing else.

Models, kernels and libraries may print, from Python or from C. While a command is at work, all of
that goes to standard error, so that JSON stays JSON.
"""

from __future__ import annotations

import io
import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from rich.console import Console

_streams: list[TextIO] = []  # of the command at work


@contextmanager
def own_output() -> Iterator[None]:
    """Keep standard output for the functions of this module while the block runs."""
    given = sys.stdout
    given.flush()
    try:
        descriptor = given.fileno()
    except io.UnsupportedOperation:  # a test's
        descriptor = -1
    kept = os.dup(1)
    os.dup2(2, 1)
    # The stream that writes to descriptor 1 would now write to standard error.
    stream = os.fdopen(os.dup(kept), "w", encoding=given.encoding) if descriptor == 1 else given
    _streams.append(stream)
    try:
        with redirect_stdout(sys.stderr):
            yield
    finally:
        _streams.pop()
        os.dup2(kept, 1)
        os.close(kept)
        if stream is not given:
            stream.close()


def console() -> Console:
    """A console for tables and displays."""
    from rich.console import Console

    return Console(file=_stream(), highlight=False, markup=False, emoji=False)


def say(*lines: str) -> None:
    """Print lines."""
    for line in lines:
        _stream().write(f"{line}\n")
    _stream().flush()


def say_json(document: Any) -> None:
    """Print a document for other programs."""
    say(json.dumps(document, indent=1))


def _stream() -> TextIO:
    return _streams[-1] if _streams else sys.stdout
