"""Files that were changed in the future, by the clock of this host."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterable
from pathlib import Path

log = logging.getLogger(__name__)


def set_back_future_times(paths: Iterable[str | Path]) -> None:
    """Set times of change that lie ahead of the clock to the present.

    A host whose clock is ahead, or a copy, can leave such a file behind. Snakemake refuses what a
    job has made from it, since outputs older than an input would be made again in every run; and
    it does so once all the work is done.

    Raises
    ------
    OSError
        A file lies in the future and cannot be changed (the error names it).
    """
    for path in paths:
        ahead = Path(path).stat().st_mtime - time.time()
        if ahead <= 0:
            continue
        try:
            os.utime(path)
        except OSError as error:
            raise OSError(
                error.errno,
                f"changed {ahead:.0f} s in the future by this host's clock, and its time cannot be "
                f"set back ({error.strerror}): Snakemake would refuse what is made from it",
                str(path),
            ) from None
        log.warning("%s: changed %.0f s in the future, set back to the present", path, ahead)
