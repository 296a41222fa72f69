"""Times and sizes for people."""

from __future__ import annotations


def duration(seconds: float) -> str:
    """A time in the unit that fits.

    Examples
    --------
    >>> duration(42), duration(600), duration(9000)
    ('42 s', '10 min', '2.5 h')
    """
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


def size(count: float) -> str:
    """A number of bytes in the unit that fits.

    Examples
    --------
    >>> size(900), size(3000), size(45.6e6), size(2.34e9)
    ('900 B', '3 kB', '46 MB', '2.3 GB')
    """
    for unit in ("B", "kB", "MB"):
        if count < 999.5:
            return f"{count:.0f} {unit}"
        count /= 1000
    return f"{count:.1f} GB"
