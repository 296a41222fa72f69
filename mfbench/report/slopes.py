"""How much more training, or more width, moves the failure boundaries."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from mfbench.cube.select import longest
from mfbench.cube.slopes import boundary_slopes


def slope_rows(cube: xr.Dataset) -> list[dict[str, Any]]:
    """A record for each slope that the study can estimate.

    Keys: ``architecture``, ``kernel``, ``per`` (steps or width), ``at`` (the other of the two) and
    ``text``, such as '0.5 [0.2, 0.9]'.
    """
    rows = []
    for along, per in (("budget", "steps"), ("width", "width")):
        whole = cube if along == "budget" else longest(cube)
        if whole.sizes.get(along, 1) < 2:
            continue
        table = boundary_slopes(whole, along=along).to_dataframe().reset_index()
        for record in table[np.isfinite(table.slope)].to_dict("records"):
            at = f"width {record['width']}" if along == "budget" else f"{record['budget']} steps"
            text = "{slope:.2g} [{slope_low:.2g}, {slope_high:.2g}]".format(**record)
            rows.append({**record, "per": per, "at": at, "text": text})
    return rows
