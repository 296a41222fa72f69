"""Results in a study's folder that the study no longer needs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mfbench.files import read_json
from mfbench.files.paths import Paths, named
from mfbench.study.study import ALL_PHASES, Study
from mfbench.training.run import Run, runs_of
from mfbench.workflow.job_state import read_state
from mfbench.workflow.plan import Group, Levels, levels_of_phase, parts
from mfbench.workflow.resources import levels_per_job

_KINDS = (
    *("dataset", "floors", "baselines"),
    *("record", "weights", "job", "checkpoint", "evaluation"),
)


def unneeded(study: Study) -> list[Path]:
    """Files of levels, architectures, kernels, members and phases that the study no longer has.

    Files of unknown kinds are never listed. While a phase has no list of its cells, all that it may
    need counts as needed.

    Raises
    ------
    ValueError
        A job of the study is running, or the list of a phase is broken.
    """
    paths = Paths(study.results)
    for job in paths.existing("job"):
        if (state := read_state(job)) and state["state"] == "running":
            raise ValueError(f"a job of this study is running (see mfbench status): {job}")
    needed = _Needed(study, paths)
    found = [
        path
        for kind in _KINDS
        for path in paths.existing(kind)
        if (names := named(path)) and not needed.file(names)
    ]
    for phase in ALL_PHASES:
        if phase not in study.phases[1:]:
            kinds = ("cells", "evaluated", "listed_baselines")
            found += [path for kind in kinds for path in paths.existing(kind, phase=phase)]
    # Each later phase reads the cube of the phase before it; none reads the last one.
    kept = [paths.file("cube", phase=phase) for phase in study.phases[:-1]]
    found += [
        path
        for phase in ALL_PHASES
        for path in paths.existing("cube", phase=phase)
        if path not in kept
    ]
    return [Path(path) for path in found]


class _Needed:
    """What a study needs, by the names in the paths of its files."""

    def __init__(self, study: Study, paths: Paths) -> None:
        self.study = study
        self.groups = set(study.groups())
        self.most = levels_per_job(study)
        self.phases: dict[str, dict[Group, Levels] | None] = {}
        for phase in study.phases:
            listed = Path(paths.file("cells", phase=phase))
            if phase == study.phases[0]:
                self.phases[phase] = levels_of_phase(study, None)
            else:
                cells = read_json(listed) if listed.exists() else None
                self.phases[phase] = levels_of_phase(study, cells) if cells else None

    def file(self, names: Mapping[str, Any]) -> bool:
        """Whether a file with these names is needed."""
        if names["kernel"] not in self.study.kernels:
            return False
        if "architecture" not in names:
            groups = {group for group in self.groups if group[2] == names["kernel"]}
        else:
            groups = self.groups & {(names["architecture"], names["width"], names["kernel"])}
        phases = [names["phase"]] if "phase" in names else list(self.phases)
        return any(self._in(p, g, names) for p in phases for g in groups if p in self.phases)

    def _in(self, phase: str, group: Group, names: Mapping[str, Any]) -> bool:
        levels = self.phases[phase]
        if levels is None:
            return True
        own = levels.get(group, {})
        if "part" in names:
            part: int = names["part"]
            return part <= len(parts(list(own), most=self.most(*group[:2], phase)))
        if "rho" not in names:
            return bool(own)
        if names["rho"] not in own:
            return False
        return "run" not in names or names["run"] in self._runs(group[0], own[names["rho"]])

    def _runs(self, architecture: str, runs: Any) -> set[str]:
        if runs is None:
            return {run.name for run in runs_of(self.study.training_of(architecture))}
        return {Run(*run).name for run in runs}
