"""All evaluations of one architecture in one file.

No xarray here: a study of many architectures starts this as often, and it takes longer to load
than the numbers.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from mfbench.aggregation.block import read_block, write_block
from mfbench.aggregation.placement import union
from mfbench.storage import provenance


def assemble_architecture(path: str | Path, sources: Iterable[str | Path]) -> None:
    """Put the evaluation files of one architecture together in one file.

    Its axes are what those files hold, whatever the study and other architectures have: it stays
    as it is when something else changes.

    Parameters
    ----------
    path : path
        The file to write.
    sources : iterable of path
        Evaluation files; all are held in memory.

    Raises
    ------
    ValueError
        No file, files of several architectures, or a file that is no evaluation of mfbench.
    """
    blocks = [read_block(source) for source in sources]
    names = sorted({block.architecture for block in blocks})
    if len(names) != 1:
        raise ValueError(f"{path} is of one architecture, not of {names}")
    title = f"mfbench evaluations of {names[0]}"
    write_block(path, union(blocks), provenance(title=title, settings={}, seeds=[]))
