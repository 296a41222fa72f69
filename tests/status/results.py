"""Files of a study as its jobs leave them, but for the numbers that status does not look at."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np

from mfbench.study.study import Study, load_study
from mfbench.training.status import STATUS
from mfbench.workflow.plan import evaluation_settings, training_settings
from tests.conftest import small_study

EARLY, MIDDLE, LATE = (f"2026-01-01T0{hour}:00:00+00:00" for hour in (1, 2, 3))

OK = ["ok"] * 4
FAILED = ["failed"] * 4


def loaded(folder: Path, **changes: Any) -> Study:
    """The small study; its exponential kernel has two levels and impulse one, rho = 3."""
    return load_study({**small_study(), "results": str(folder / "results"), **changes})


class Results:
    """The results folder of a study, to be filled."""

    def __init__(self, study: Study) -> None:
        self.study = study
        self.folder = Path(study.results)

    def training(
        self,
        architecture: str,
        kernel: str,
        levels: Mapping[str, Sequence[str]],
        *,
        failure: Mapping[str, str] | None = None,
        written: str = MIDDLE,
    ) -> Path:
        """A pack of levels with the outcomes of their members and its weights."""
        (width,) = self.study.architectures[architecture].widths
        pack = "_".join(levels)
        path = self.folder / f"training/{architecture}/width={width}/{kernel}/rho={pack}.nc"
        settings = training_settings(self.study, architecture=architecture, width=width)
        _write(path, settings, written, levels, failure or {}, self._members())
        path.with_suffix(".safetensors").touch()
        return path

    def evaluation(
        self,
        architecture: str,
        kernel: str,
        levels: Mapping[str, Sequence[str]],
        *,
        failure: Mapping[str, str] | None = None,
        written: str = LATE,
        ending: str = ".nc",
    ) -> Path:
        """An evaluation of levels with the outcomes of their members."""
        (width,) = self.study.architectures[architecture].widths
        path = self.folder / f"evaluation/{architecture}/width={width}/{kernel}{ending}"
        settings = evaluation_settings(self.study, architecture=architecture, width=width)
        return _write(path, settings, written, levels, failure or {}, self._members())

    def job(self, architecture: str, kernel: str, pack: str) -> Path:
        """Where the state of a job lies."""
        (width,) = self.study.architectures[architecture].widths
        return self.folder / f"jobs/{architecture}/width={width}/{kernel}/rho={pack}.json"

    def _members(self) -> tuple[int, int]:
        training = self.study.training
        return len(training.learning_rates), len(training.seeds)


def _write(
    path: Path,
    settings: Mapping[str, Any],
    written: str,
    levels: Mapping[str, Sequence[str]],
    failure: Mapping[str, str],
    members: tuple[int, int],
) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with netCDF4.Dataset(path, "w") as file:
        file.setncatts({"settings": json.dumps(settings), "history": f"{written}: written by us"})
        grid = ("level", "learning_rate", "seed")
        for name, size in zip(grid, (len(levels), *members), strict=True):
            file.createDimension(name, size)
        file.createVariable("rho", "f8", grid[:1])[:] = [float(rho) for rho in levels]
        codes = [[STATUS.index(word) for word in words] for words in levels.values()]
        file.createVariable("status", "i1", grid)[:] = np.reshape(codes, (-1, *members))
        messages = np.array([failure.get(rho, "") for rho in levels], dtype=object)
        file.createVariable("failure", str, grid[:1])[:] = messages
    return path
