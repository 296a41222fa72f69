"""Files of a study as its jobs leave them, without the numbers that `mfbench status` ignores."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

import netCDF4
import numpy as np

from mfbench.files.paths import Paths
from mfbench.study.study import Study
from mfbench.training.status import STATUS
from mfbench.workflow.job_state import job_state
from mfbench.workflow.plan import Settings, evaluation_settings, training_settings

OK, FAILED = ["ok"] * 4, ["failed"] * 4
Levels = Mapping[float, Sequence[str]]  # outcomes of a cell's members by rho


class Results:
    """The results folder of a study whose architectures have one width, to be filled."""

    def __init__(self, study: Study) -> None:
        self.study = study
        self.paths = Paths(study.results)

    def training(
        self,
        architecture: str,
        kernel: str,
        levels: Levels,
        *,
        message: str = "",
        phase: str = "study",
        part: int = 1,
    ) -> Path:
        """A training record."""
        group = self._group(architecture, kernel)
        path = Path(self.paths.file("record", phase=phase, part=part, **group))
        settings = training_settings(self.study, architecture=architecture, width=4)
        return self._write(path, settings, levels, message)

    def evaluation(
        self,
        architecture: str,
        kernel: str,
        levels: Levels,
        *,
        message: str = "",
        phase: str = "study",
    ) -> Path:
        """An evaluation."""
        group = self._group(architecture, kernel)
        path = Path(self.paths.file("evaluation", phase=phase, **group))
        settings = evaluation_settings(self.study, architecture=architecture, width=4)
        return self._write(path, settings, levels, message)

    def state(self, architecture: str, kernel: str, rho: float) -> Path:
        """Where the job of a cell keeps its state."""
        return Path(self.paths.file("job", rho=rho, **self._group(architecture, kernel)))

    def job(self, architecture: str, kernel: str, *levels: float) -> AbstractContextManager[None]:
        """A job at work on some cells."""
        files = [self.state(architecture, kernel, rho) for rho in levels]
        settings = training_settings(self.study, architecture=architecture, width=4)
        return job_state(files, settings=settings)

    @staticmethod
    def _group(architecture: str, kernel: str) -> dict[str, str]:
        return {"architecture": architecture, "width": "4", "kernel": kernel}

    def _write(self, path: Path, settings: Settings, levels: Levels, message: str) -> Path:
        training = self.study.training
        members = len(training.steps), len(training.learning_rates), len(training.seeds)
        path.parent.mkdir(parents=True, exist_ok=True)
        with netCDF4.Dataset(path, "w") as file:
            file.settings = json.dumps(settings)
            grid = ("level", "budget", "learning_rate", "seed")
            for name, size in zip(grid, (len(levels), *members), strict=True):
                file.createDimension(name, size)
            file.createVariable("rho", "f8", grid[:1])[:] = list(levels)
            codes = [[STATUS.index(word) for word in words] for words in levels.values()]
            file.createVariable("status", "i1", grid)[:] = np.reshape(codes, (-1, *members))
            messages = [message if "failed" in words else "" for words in levels.values()]
            file.createVariable("message", str, grid[:1])[:] = np.array(messages, dtype=object)
        return path
