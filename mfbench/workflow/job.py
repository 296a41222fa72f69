"""The start of every workflow script."""

from __future__ import annotations

import logging
import os
import sys
import traceback
from pathlib import Path
from types import TracebackType

from mfbench.files import git_commit


def start_job(log: str | Path) -> None:
    """Redirect all output of this process to a log file, and note the commit that it works with.

    Parameters
    ----------
    log : path
        The log file. If it cannot be written (the disk is full), a traceback goes to the original
        standard error instead.
    """
    Path(log).parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    terminal = os.dup(sys.stderr.fileno())
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
        os.dup2(descriptor, stream.fileno())
    os.close(descriptor)

    def report(
        kind: type[BaseException], error: BaseException, trace: TracebackType | None
    ) -> None:
        text = "".join(traceback.format_exception(kind, error, trace))
        try:
            sys.stderr.write(text)
            sys.stderr.flush()
        except OSError:
            os.write(terminal, text.encode())

    sys.excepthook = report
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    logging.captureWarnings(True)
    git_commit()
