"""Where the Snakefile lies: at the top of a clone, or in the package if a wheel was installed."""

from __future__ import annotations

import os
from pathlib import Path

_PACKAGE = Path(__file__).parent.parent


def snakefile() -> Path:
    """Path of the Snakefile; ``rules``, ``profiles`` and ``slurm`` lie beside it."""
    shipped = _PACKAGE / "_workflow" / "Snakefile"
    return shipped if shipped.is_file() else _PACKAGE.parent / "Snakefile"


def environment() -> dict[str, str]:
    """The environment of a process that imports this package, too.

    In a clone, PYTHONPATH begins with it. Without one, Python and Snakemake find the package, and
    PYTHONPATH would put its neighbours before the standard library and into conda environments.
    """
    if snakefile().parent != _PACKAGE.parent:
        return dict(os.environ)
    before = filter(None, [os.environ.get("PYTHONPATH")])
    return os.environ | {"PYTHONPATH": os.pathsep.join([str(_PACKAGE.parent), *before])}
