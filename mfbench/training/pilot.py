"""Choose the learning rates that a study keeps after its pilot."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np

from mfbench.files import check_variables, sealed
from mfbench.files.paths import named
from mfbench.training.run import Run
from mfbench.training.status import STATUS


def cells_after_pilot(
    records: Iterable[str | Path],
    *,
    levels: Mapping[str, Sequence[float]],
    steps: Sequence[int],
    seeds: Sequence[int],
    keep: int,
) -> list[dict[str, Any]]:
    """Choose the runs of each cell of a study by its pilot.

    Parameters
    ----------
    records : iterable of path
        Training records of the pilot, one for each architecture, width and kernel.
    levels : mapping
        By kernel, the rho of the study's levels.
    steps, seeds : sequence of int
        Budgets and seeds of the study.
    keep : int
        Number of learning rates to keep.

    Returns
    -------
    list of dict
        One entry per group with ``architecture``, ``width``, ``kernel`` and ``levels``; each level
        has ``rho`` and ``runs``, a list of (steps, learning rate, seed).

    Raises
    ------
    BrokenFileError
        A record is corrupt or holds no training.
    """
    groups = []
    for record in records:
        with netCDF4.Dataset(sealed(record)) as file:
            file.set_auto_mask(False)
            needed = ("learning_rate", "best_validation_error", "status")
            check_variables(record, "training", file.variables, needed=needed)
            rates = file["learning_rate"][:].tolist()
            errors, status = (file[name][0, -1, :, 0] for name in needed[1:])
        worked = (status == STATUS.index("ok")) & np.isfinite(errors)
        errors = np.where(worked, errors, np.inf)
        kept = kept_rates(rates, errors.tolist(), keep=keep)
        runs = [Run(*run) for run in product(steps, kept, seeds)]
        names = named(record)
        group = {name: names[name] for name in ("architecture", "width", "kernel")}
        own = [{"rho": rho, "runs": runs} for rho in levels[group["kernel"]]]
        groups.append(group | {"levels": own})
    return groups


def kept_rates(rates: Sequence[float], errors: Sequence[float], *, keep: int) -> list[float]:
    """Neighbouring learning rates with the best one in the middle, or as near as the grid allows.

    Parameters
    ----------
    rates : sequence of float
        The grid, ascending.
    errors : sequence of float
        Validation errors at these rates; infinite where training diverged or broke.
    keep : int
        Number of rates to keep; of an even number, one more lies below the best rate than above.

    Examples
    --------
    >>> kept_rates([0.001, 0.003, 0.01, 0.03], [0.5, 0.2, 0.1, 0.9], keep=3)
    [0.003, 0.01, 0.03]
    >>> kept_rates([0.001, 0.003, 0.01, 0.03], [0.5, 0.2, 0.1, 0.05], keep=3)
    [0.003, 0.01, 0.03]
    """
    best = int(np.argmin(errors))
    start = min(max(0, best - keep // 2), max(0, len(rates) - keep))
    return list(rates[start : start + keep])
