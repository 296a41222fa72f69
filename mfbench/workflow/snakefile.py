"""Where the Snakefile lies: at the top of a clone, or in the package if a wheel was installed."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).parent.parent


def snakefile() -> Path:
    """Path of the Snakefile; ``rules``, ``profiles`` and ``slurm`` lie beside it."""
    shipped = _PACKAGE / "_workflow" / "Snakefile"
    return shipped if shipped.is_file() else _PACKAGE.parent / "Snakefile"
