"""Packs: which levels of one (architecture, width, kernel) a training job trains together.

A file of a pack says in its name what is inside: `rho=4` or `rho=4_8_16`, from easy to hard. (No
comma stands between the levels: Snakemake takes it for the end of a wildcard when it hands a job to
a cluster. An underscore is in no number.)
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

PACK = r"[0-9.e+-]+(?:_[0-9.e+-]+)*"  # a wildcard's constraint
# A file name has at most 255 bytes. Names of temporary files add about 40 to this; the SLURM plugin
# makes one folder's name of all wildcards of a job.
LONGEST = 160
_BETWEEN = "_"
_RECORD = re.compile(rf"rho=({PACK})\.nc")


def pack_name(levels: Sequence[str]) -> str:
    """Name of the pack of these levels.

    Parameters
    ----------
    levels : sequence of str
        The rho as they stand in the study's levels, from easy to hard.

    Raises
    ------
    ValueError
        No level, the same one twice, no number, or a name that is too long for a file.
    """
    name = _BETWEEN.join(levels)
    if levels_of(name) != list(levels):
        raise ValueError(f"{list(levels)} are no levels of a pack")
    if len(name) > LONGEST:
        raise ValueError(
            f"the pack {name} has {len(name)} characters, and {LONGEST} fit into a file's name: "
            "training.cells_per_job must be smaller"
        )
    return name


def levels_of(pack: str) -> list[str]:
    """The levels of a pack by its name.

    Raises
    ------
    ValueError
        It is no name of a pack.
    """
    levels = pack.split(_BETWEEN)
    if len(set(levels)) < len(levels) or not all(_is_number(level) for level in levels):
        raise ValueError(
            f"{pack!r} is no pack of levels: it must be different numbers with "
            f"{_BETWEEN!r} between them, as in '4' or '4_8_16'"
        )
    return levels


def packs_in(folder: str | Path) -> list[str]:
    """Names of the packs that lie in a folder as finished training records, sorted."""
    try:
        with os.scandir(folder) as entries:
            found = [_RECORD.fullmatch(entry.name) for entry in entries]
    except (FileNotFoundError, NotADirectoryError):
        return []
    return sorted(match[1] for match in found if match)


def plan_packs(levels: Sequence[str], *, size: int, existing: Iterable[str]) -> list[str]:
    """Which packs to train, so that each level is in one of them.

    Packs that exist and lie within the wanted levels stay, the larger ones first, then by name,
    and none that overlaps one that stays already. What is left is cut into as few packs as `size`
    and the length of a name allow, which differ by one level at most. So an added level makes one
    new pack, another size leaves alone what is finished, and the plan is the same whichever of its
    packs have been finished meanwhile.

    Parameters
    ----------
    levels : sequence of str
        The wanted rho, from easy to hard.
    size : int
        Levels in one new pack, at most.
    existing : iterable of str
        Names of packs, as `packs_in` finds them; other names are ignored.

    Returns
    -------
    list of str
        Names of packs, in the order of their easiest levels.
    """
    wanted = {level: i for i, level in enumerate(levels)}
    left = dict(wanted)
    packs: list[list[str]] = []
    inside = [p for p in map(_levels_or_none, set(existing)) if p and wanted.keys() >= set(p)]
    for pack in sorted(inside, key=lambda p: (-len(p), p)):
        if left.keys() >= set(pack):
            packs.append(pack)
            for level in pack:
                del left[level]
    rest = list(left)
    # By all levels and not by those left, so that the limit is the same at every moment of a run.
    packs += _balanced(rest, size=min(size, most_levels(levels)))
    return [pack_name(pack) for pack in sorted(packs, key=lambda p: min(wanted[v] for v in p))]


def most_levels(levels: Iterable[str]) -> int:
    """How many of these levels fit into one pack's name, whichever they are."""
    room, count = LONGEST + len(_BETWEEN), 0
    for level in sorted(levels, key=len, reverse=True):
        room -= len(level) + len(_BETWEEN)
        if room < 0:
            break
        count += 1
    return count


def _balanced(levels: Sequence[str], *, size: int) -> list[list[str]]:
    """Cut a list into as few parts of at most `size` as possible; larger parts come first."""
    parts, rest = [], list(levels)
    while rest:
        first = math.ceil(len(rest) / math.ceil(len(rest) / size))
        parts.append(rest[:first])
        rest = rest[first:]
    return parts


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return re.fullmatch(PACK, text) is not None


def _levels_or_none(pack: str) -> list[str] | None:
    try:
        return levels_of(pack)
    except ValueError:
        return None
