"""Where the Snakefile lies: at the top of a clone, or in the package if a wheel was installed."""

from __future__ import annotations

import os
from pathlib import Path

_PACKAGE = Path(__file__).parent.parent


def snakefile() -> Path:
    """Path of the Snakefile; ``rules``, ``profiles`` and ``slurm`` lie beside it."""
    shipped = _PACKAGE / "_workflow" / "Snakefile"
    return shipped if shipped.is_file() else _PACKAGE.parent / "Snakefile"


def python_path() -> str:
    """PYTHONPATH with the folder of this package first, for a process that imports it, too."""
    return os.pathsep.join([str(_PACKAGE.parent), *filter(None, [os.environ.get("PYTHONPATH")])])
