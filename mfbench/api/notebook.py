"""Small tables and a curve in HTML, as notebooks show them."""

from __future__ import annotations

import html
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

_WIDTH, _HEIGHT = 320, 90


def table(rows: Mapping[str, str]) -> str:
    """A table with one row per name."""
    cells = "".join(
        f"<tr><th style='text-align:left'>{html.escape(name)}</th>"
        f"<td style='text-align:left'>{html.escape(value)}</td></tr>"
        for name, value in rows.items()
    )
    return f"<table>{cells}</table>"


def curve(values: NDArray[np.float64], name: str) -> str:
    """A curve over lag in SVG."""
    largest = float(np.nanmax(np.abs(values))) or 1.0
    x = np.linspace(0, _WIDTH, len(values))
    y = _HEIGHT / 2 * (1 - 0.95 * values / largest)
    points = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x, y, strict=True))
    line = (
        f"<polyline points='{points}' fill='none' stroke='#222222' stroke-width='1.5'>"
        f"<title>{html.escape(name)}</title></polyline>"
    )
    return f"<svg width='{_WIDTH}' height='{_HEIGHT}'>{line}</svg>"
