"""Evaluation of all levels of one (architecture, width, kernel) in one go.

One job loads torch once for all of them; its file has the dimensions of the benchmark cube but for
those that it fixes.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from mfbench.architectures.own_code import ArchitectureError
from mfbench.config.evaluation import EvaluationSettings
from mfbench.datasets import read_dataset
from mfbench.evaluation.inputs import PackFiles, TaskFiles, read_packs
from mfbench.evaluation.level import evaluate_level, failed_level
from mfbench.floors.record import read_floors
from mfbench.storage import atomic, provenance

log = logging.getLogger(__name__)


def evaluate_group(
    architecture: Mapping[str, Any],
    tasks: Sequence[TaskFiles],
    packs: Sequence[PackFiles],
    *,
    width: int,
    settings: EvaluationSettings,
    keep_going: bool = False,
) -> xr.Dataset:
    """Evaluate every member of every level.

    Parameters
    ----------
    architecture : mapping
        Settings for `build_model`.
    tasks : sequence of TaskFiles
        The levels from easy to hard.
    packs : sequence of PackFiles
        What was trained, each level in one of them.
    width : int
        Number of channels.
    settings : EvaluationSettings
        The evaluation section of the study.
    keep_going : bool
        Record cells at which the architecture's own code breaks as failed, and go on.

    Returns
    -------
    Dataset
        Dimensions level, learning_rate, seed, and lag, time, step, threshold, perturbation,
        length_factor where they apply. A cell that failed, there or in the training, has the
        status 'failed', the message in `failure`, and no numbers.

    Raises
    ------
    BrokenFileError
        A file is corrupt, or of another task, pack or study than it should be.
    ValueError
        A level was not trained, the weights do not fit the model, or a linear model is better than
        any of its size can be (the message names the file).
    ArchitectureError
        The architecture's own code breaks, and `keep_going` is not set.
    """
    trained = read_packs(packs)
    where = f"architecture {architecture['model']}, width {width}"
    levels = []
    for files in tasks:
        task = read_dataset(files.dataset, splits=("test",), made_for=files.made_for)
        floors = read_floors(files.floors, made_for=files.made_for)
        if float(task.rho) not in trained:
            raise ValueError(f"no training record has rho = {task.rho}, the level {files.dataset}")
        found = trained[float(task.rho)]
        message = str(found.record.failure.item())
        if not message:
            try:
                level = evaluate_level(
                    architecture, task, floors, found, width=width, settings=settings
                )
            except ArchitectureError as error:
                message = f"{where}, rho = {task.rho}, evaluation: {error}"
                if not keep_going:
                    raise ArchitectureError(message) from error
                log.exception("FAILED, and recorded as such: %s", message)
        if message:
            level = failed_level(found, task, floors, settings, message=message)
        levels.append(level)
    group: xr.Dataset = xr.concat(
        levels,
        dim="level",
        join="exact",
        combine_attrs="override",
        data_vars="all",
        coords="minimal",
    )
    group = group.assign_coords(level=("level", np.arange(len(tasks), dtype="i4")))
    group.level.attrs.update(long_name="level of difficulty, from easy to hard", units="1")
    return group


def write_evaluation(
    path: str | Path, group: xr.Dataset, *, resolved: Mapping[str, Any], title: str
) -> None:
    """Write an evaluated group atomically, with its provenance."""
    seeds = group.seed.values.tolist()
    group = group.assign_attrs(provenance(title=title, settings=resolved, seeds=seeds))
    group.attrs.update({k: resolved[k] for k in ("architecture_name", "width", "kernel")})
    with atomic(path) as temporary:
        group.to_netcdf(temporary, engine="netcdf4")
