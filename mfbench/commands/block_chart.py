"""A bar chart in a few lines of text."""

from __future__ import annotations

from collections.abc import Sequence

_BLOCKS = " ▁▂▃▄▅▆▇█"


def block_chart(
    values: Sequence[float], *, low: float, high: float, lines: int = 5
) -> list[tuple[float, str]]:
    """Bars from zero, up for positive values and down for negative ones.

    Parameters
    ----------
    values : sequence of float
        One bar each.
    low, high : float
        Ends of the axis; 0 is always on it.
    lines : int
        Number of lines.

    Returns
    -------
    list of (float, str)
        From top to bottom, the value at the end of a line that is farther from zero, and the line.

    Examples
    --------
    >>> for end, line in block_chart([1.0, 0.5, 0.25, -1.0], low=-1.0, high=1.0, lines=2):
    ...     print(f"{end:4.1f} {line}")
     1.0 █▄▂
    -1.0    █
    """
    low, high = min(low, 0.0), max(high, 0.0)
    unit = (high - low) / lines or 1.0
    above = -int(-high / unit // 1)
    below = -int(low / unit // 1)
    found = []
    for i in range(above, 0, -1):
        eighths = [round(8 * min(max(v / unit - (i - 1), 0.0), 1.0)) for v in values]
        found.append((i * unit, "".join(_BLOCKS[e] for e in eighths).rstrip()))
    for i in range(1, below + 1):
        # There are no eighths that hang from the top, only halves.
        halves = [round(2 * min(max(-v / unit - (i - 1), 0.0), 1.0)) for v in values]
        found.append((-i * unit, "".join(" ▀█"[h] for h in halves).rstrip()))
    return found
