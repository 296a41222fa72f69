"""All evaluations of one architecture in one file.

No xarray here: a study of many architectures starts this as often, and it takes longer to load
than the numbers.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from mfbench.cube.block import read_block, rho_of, write_block
from mfbench.cube.placement import union
from mfbench.evaluation.identity import check_evaluations
from mfbench.files import check_identity, provenance


def assemble_architecture(
    path: str | Path, sources: Iterable[str | Path], *, resolved: Mapping[str, Any]
) -> None:
    """Put the evaluation files of one architecture together in one file.

    Its axes are what those files hold, whatever the study and other architectures have: it stays
    as it is when something else changes.

    Parameters
    ----------
    path : path
        The file to write.
    sources : iterable of path
        Evaluation files; all are held in memory.
    resolved : mapping
        The settings that all of them must have been made with, and ``levels``: the rho that the
        evaluation of each ``WIDTH/KERNEL`` must have.

    Raises
    ------
    BrokenFileError
        A file is corrupt, no evaluation of mfbench, or was made otherwise.
    ValueError
        No file, or files of several architectures.
    """
    expected = {key: value for key, value in resolved.items() if key != "levels"}
    check = functools.partial(check_evaluations, expected=expected)
    blocks = []
    for source in sources:
        block = read_block(source, check=check)
        group = f"{block.axis('width')[0]}/{block.axis('kernel')[0]}"
        wanted = sorted(map(float, resolved["levels"].get(group, [])))
        check_identity(source, {"rho": sorted(rho_of(block))}, {"rho": wanted})
        blocks.append(block)
    names = sorted({block.architecture for block in blocks})
    if len(names) != 1:
        raise ValueError(f"{path} is of one architecture, not of {names}")
    title = f"mfbench evaluations of {names[0]}"
    whole = union(blocks)
    seeds = whole.axis("seed")
    write_block(path, whole, provenance(title=title, settings=resolved, seeds=seeds))
