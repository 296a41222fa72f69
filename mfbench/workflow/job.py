"""The start of every workflow script."""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path

from mfbench.storage import git_commit


def start_job(log: str | Path) -> None:
    """Send all that this process says to a log file, and note the commit that it works with."""
    Path(log).parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
        os.dup2(descriptor, stream.fileno())
    os.close(descriptor)
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    logging.captureWarnings(True)
    git_commit()
