"""The jobs of a study: their settings as Snakemake params, and which levels each trains.

Snakemake compares the `repr` of params, and prints it where it says why a job runs again. Settings
therefore show a digest of what can change the job's numbers, and the lists that users extend show
their values.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any

from mfbench.files.paths import rho_text
from mfbench.study.study import Study
from mfbench.study.training import EXECUTION, MEMBERS

Group = tuple[str, int, str]  # architecture, width, kernel
# By rho, the runs of its members, (steps, learning rate, seed); None for all that the study names.
Levels = dict[float, list[tuple[int, float, int]] | None]


class Settings(dict[str, Any]):
    """Settings of a job, which Snakemake sees as a digest.

    Parameters
    ----------
    stage : str
        The stage that they are for.
    numbers : mapping
        What can change the job's numbers: this is in the digest.
    **others
        What cannot, or is shown apart.
    """

    def __init__(self, stage: str, numbers: Mapping[str, Any], **others: Any) -> None:
        super().__init__(plain({**numbers, **others}))
        text = json.dumps(plain(numbers), sort_keys=True)
        self._shown = f"{stage} settings {hashlib.sha256(text.encode()).hexdigest()[:8]}"

    def __repr__(self) -> str:
        return self._shown


class Listed(tuple[Any, ...]):
    """A list of a study that Snakemake shows with its name.

    A tuple, because Snakemake copies a param that is a list and would lose the name.
    """

    def __new__(cls, name: str, values: Iterable[Any]) -> Listed:
        made = super().__new__(cls, values)
        made._name = name
        return made

    _name: str

    def __getnewargs__(self) -> tuple[str, tuple[Any, ...]]:  # jobs get params as pickles
        return self._name, tuple(self)

    def __repr__(self) -> str:
        shown = (rho_text(v) if isinstance(v, float) else str(v) for v in self)
        return f"{self._name} = [{', '.join(shown)}]"


def plain(value: Any) -> Any:
    """The same value in JSON's types."""
    return json.loads(json.dumps(value))


def dataset_settings(study: Study) -> Settings:
    """What a dataset depends on, except its kernel and rho."""
    return Settings("dataset", {"task": study.task.model_dump()})


def floor_settings(study: Study) -> Settings:
    """What the floors of a task depend on, except its kernel and rho."""
    return Settings(
        "floors", {"task": study.task.for_floors(), "floors": study.floors.model_dump()}
    )


def training_settings(study: Study, *, architecture: str, width: int) -> Settings:
    """What the members of a group depend on; budgets, learning rates and seeds are shown apart."""
    full = study.training_of(architecture).model_dump()
    training = {key: value for key, value in full.items() if key not in EXECUTION}
    shared = {key: v for key, v in training.items() if key not in MEMBERS}
    return Settings(
        "training",
        {
            "task": study.task.model_dump(),
            "architecture": study.models[architecture].settings,
            "width": width,
            "training": shared,
        },
        training=training,
        execution={key: full[key] for key in sorted(EXECUTION)},
    )


def evaluation_settings(study: Study, *, architecture: str, width: int) -> Settings:
    """What the evaluation of a group depends on beside its training."""
    training = training_settings(study, architecture=architecture, width=width)
    # What counts as success matters to the cube alone.
    evaluation = study.evaluation.model_dump(exclude={"success"})
    return Settings("evaluation", {"evaluation": evaluation}, **training)


def study_settings(study: Study, *, without: Iterable[str] = ()) -> Settings:
    """The whole study as a cube keeps it, without the sections of phases that come later."""
    settings = study.model_dump(exclude={"results": True, "training": set(EXECUTION)})
    settings["architectures"] = {
        name: study.models[name].settings
        | {"widths": study.widths(name), "training": entry.training.given()}
        for name, entry in study.architectures.items()
    }
    settings["kernels"] = {
        kernel: [level.model_dump() for level in study.levels(kernel)] for kernel in study.kernels
    }
    return Settings("study", settings | dict.fromkeys(without))


def pilot_settings(study: Study) -> Settings:
    """What the choice of learning rates takes from the study, beside how many it keeps."""
    return Settings(
        "pilot",
        {
            "levels": {k: [level.rho for level in study.levels(k)] for k in study.kernels},
            "steps": study.training.steps,
            "seeds": study.training.seeds,
        },
    )


def own_levels(study: Study) -> dict[Group, Levels]:
    """The study's own levels of each group, with all runs."""
    levels: dict[str, Levels] = {
        kernel: {level.rho: None for level in study.levels(kernel)} for kernel in study.kernels
    }
    return {group: levels[group[2]] for group in study.groups()}


def levels_of_phase(study: Study, cells: Mapping[str, Any] | None) -> dict[Group, Levels]:
    """The levels of each group in a phase, from easy to hard.

    Parameters
    ----------
    study : Study
    cells : mapping or None
        What an earlier phase has listed (``phases/PHASE.json``); None for the first phase.
    """
    if cells is None and study.pilot:
        runs = [
            (study.training.steps[-1], rate, study.pilot.seed)
            for rate in study.training.learning_rates
        ]
        middle = {}
        for kernel in study.kernels:
            found = study.levels(kernel)
            middle[kernel] = found[(len(found) - 1) // 2].rho
        return {group: {middle[group[2]]: runs} for group in study.groups()}
    if cells is None:
        return own_levels(study)
    return {
        (group["architecture"], group["width"], group["kernel"]): {
            level["rho"]: level.get("runs") for level in group["levels"]
        }
        for group in cells["groups"]
    }


def parts(levels: Sequence[float], *, most: int) -> list[list[float]]:
    """The levels of each training job of a group: few jobs with about as many levels each.

    Parameters
    ----------
    levels : sequence of float
        The rho of the group's levels.
    most : int
        Levels in one job, at most.

    Examples
    --------
    >>> parts([1.0, 2.0, 3.0, 4.0], most=3)
    [[1.0, 2.0], [3.0, 4.0]]
    """
    count = math.ceil(len(levels) / most)
    small, larger = divmod(len(levels), count) if count else (0, 0)
    ends = [small * i + min(i, larger) for i in range(count + 1)]
    return [list(levels[a:b]) for a, b in pairwise(ends)]
