"""Small tables and curves in HTML, as notebooks show them."""

from __future__ import annotations

import html
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

_WIDTH, _HEIGHT = 320, 90
_COLOURS = ("#222222", "#0072B2")


def table(rows: Mapping[str, str]) -> str:
    """A table with one row per name."""
    cells = "".join(
        f"<tr><th style='text-align:left'>{html.escape(name)}</th>"
        f"<td style='text-align:left'>{html.escape(value)}</td></tr>"
        for name, value in rows.items()
    )
    return f"<table>{cells}</table>"


def curves(named: Mapping[str, NDArray[np.float64]]) -> str:
    """Curves over lag in one SVG: the first in black, the second in blue."""
    largest = max(float(np.nanmax(np.abs(values))) for values in named.values()) or 1.0
    lines = []
    for (name, values), colour in zip(named.items(), _COLOURS, strict=False):
        x = np.linspace(0, _WIDTH, len(values))
        y = _HEIGHT / 2 * (1 - 0.95 * values / largest)
        points = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x, y, strict=True))
        lines.append(
            f"<polyline points='{points}' fill='none' stroke='{colour}' stroke-width='1.5'>"
            f"<title>{html.escape(name)}</title></polyline>"
        )
    return f"<svg width='{_WIDTH}' height='{_HEIGHT}'>{''.join(lines)}</svg>"
