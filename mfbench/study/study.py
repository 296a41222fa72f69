"""The whole study, read once per run."""

from __future__ import annotations

import os
import typing
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Self

import yaml
from pydantic import AfterValidator, BaseModel, Field, ValidationError, model_validator

from mfbench.study.architecture import ArchitectureSettings
from mfbench.study.diagnose import DiagnoseSettings
from mfbench.study.evaluation import EvaluationSettings
from mfbench.study.floors import FloorSettings
from mfbench.study.kernel import KernelSettings, Level
from mfbench.study.refine import RefineSettings
from mfbench.study.section import Name, Section
from mfbench.study.task import TaskSettings
from mfbench.study.training import TrainingSettings, merged
from mfbench.tasks.kernels.lookup import families
from mfbench.tasks.kernels.memory import window_weights

LATER_PHASES = ("refine", "diagnose")  # each is a section of the study, in this order


class StudyError(ValueError):
    """An invalid study file; the message names the keys and what is allowed."""


def _folder(path: str) -> str:
    """Normalise a folder's name as Snakemake does; refuse a name that Snakemake cannot handle."""
    wrong = sorted({c for c in path if c in "{}" or not c.isprintable()})
    if wrong:
        raise ValueError(
            f"Snakemake cannot handle a folder with {', '.join(map(repr, wrong))} in its name"
        )
    if path != path.strip() or path.startswith("~") or "://" in path:
        raise ValueError(
            "must be a local folder, without blanks at its ends and with ~ written out in full"
        )
    return os.path.normpath(path) if path else path


class Study(Section):
    """A study of mfbench: tasks x architectures, and how they are trained and evaluated."""

    name: Name = Field(description="Name of the study.")
    results: Annotated[str, AfterValidator(_folder)] = Field(
        "", description="Folder for all results; default: results/<name>."
    )
    task: TaskSettings = TaskSettings()
    kernels: Annotated[dict[str, KernelSettings], Field(min_length=1)] = Field(
        description="Families of memory functions and their levels.",
        json_schema_extra={"propertyNames": {"enum": list(families())}},
    )
    architectures: Annotated[dict[Name, ArchitectureSettings], Field(min_length=1)] = Field(
        description="Architectures by a name of your choice."
    )
    training: TrainingSettings = TrainingSettings()
    evaluation: EvaluationSettings = EvaluationSettings()
    floors: FloorSettings = FloorSettings()
    refine: RefineSettings | None = Field(
        None, description="Adds levels around each failure boundary; null for none."
    )

    diagnose: DiagnoseSettings | None = Field(
        None, description="Looks for the cause of each failure by experiment; null for none."
    )

    @model_validator(mode="before")
    @classmethod
    def _names_stand_for_themselves(cls, given: Any) -> Any:
        """`rnn: {}` means `rnn: {model: rnn}`, and `results` defaults to results/<name>."""
        if not isinstance(given, dict):
            return given
        given = dict(given)
        if isinstance(given.get("architectures"), dict):
            given["architectures"] = {
                name: {"model": name, **(entry or {})}
                if entry is None or isinstance(entry, dict)
                else entry
                for name, entry in given["architectures"].items()
            }
        if not given.get("results"):
            given["results"] = f"results/{given.get('name')}"
        return given

    @model_validator(mode="after")
    def _possible(self) -> Self:
        for kernel in self.kernels:
            try:
                self.levels(kernel)
            except ValueError as error:
                raise ValueError(f"kernels.{kernel}: {error}") from None
        if self.training.batch_size > self.task.sequences.train:
            raise ValueError(
                f"training.batch_size = {self.training.batch_size} is more than "
                f"task.sequences.train = {self.task.sequences.train}"
            )
        return self

    @cached_property
    def _levels(self) -> dict[str, list[Level]]:
        return {}

    def levels(self, kernel: str) -> list[Level]:
        """The levels of one kernel, from easy to hard."""
        if kernel not in self._levels:
            weights = window_weights(self.task.length, self.task.scored_from)
            settings = self.kernels[kernel]
            self._levels[kernel] = settings.levels(kernel, self.task.length, weights)
        return self._levels[kernel]

    def training_of(self, architecture: str) -> TrainingSettings:
        """The study's training settings with the changes of one architecture."""
        changes = self.architectures[architecture].training.given()
        return TrainingSettings.model_validate(merged(self.training.model_dump(), changes))

    @property
    def phases(self) -> list[str]:
        """The phases that this study runs in; each after the first follows from numbers."""
        return ["study", *(phase for phase in LATER_PHASES if getattr(self, phase))]

    def groups(self) -> list[tuple[str, int, str]]:
        """All (architecture, width, kernel); each has a cell at every level of its kernel."""
        return [
            (architecture, width, kernel)
            for architecture, settings in self.architectures.items()
            for width in settings.widths
            for kernel in self.kernels
        ]


def load_study(config: Mapping[str, Any], *, origin: str = "the study") -> Study:
    """Check a study.

    Parameters
    ----------
    config : mapping
        The content of a study file.
    origin : str
        Name of its source in error messages.

    Raises
    ------
    StudyError
        One line per problem: the key path, the value, and what is allowed.
    """
    try:
        return Study.model_validate(dict(config))
    except ValidationError as error:
        # Skip defaults that could not be computed because another value is invalid.
        problems = [e for e in error.errors() if e["type"] != "default_factory_not_called"]
        lines = [_explain(e) for e in problems]
        raise StudyError("\n".join([f"{origin} is not a valid study:", *lines])) from None


def read_study(path: str | Path) -> Study:
    """Read and check a study file (YAML).

    Raises
    ------
    StudyError
        The file is not a YAML mapping or not a valid study.
    """
    try:
        content = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise StudyError(f"{path} is not valid YAML: {error}") from None
    if not isinstance(content, dict):
        raise StudyError(f"{path} must hold a mapping of keys, not {type(content).__name__}")
    return load_study(content, origin=str(path))


def _explain(error: Any) -> str:
    path = "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in error["loc"])[1:]
    message = error["msg"].removeprefix("Value error, ")
    if error["type"] == "extra_forbidden":
        allowed = ", ".join(_fields_at(error["loc"][:-1]))
        return f"  {path}: unknown key; allowed here: {allowed}"
    if error["type"] == "missing":
        return f"  {path}: this key is required"
    if error["type"] == "value_error":
        return f"  {path + ': ' if path else ''}{message}"
    return f"  {path} = {error['input']!r}: {message}"


def _fields_at(location: tuple[int | str, ...]) -> list[str]:
    """Field names of the section at a location in a study."""
    section: Any = Study
    for part in location:
        if isinstance(section, type) and issubclass(section, BaseModel):
            section = section.model_fields[str(part)].annotation
        else:  # a mapping of names to sections
            section = typing.get_args(section)[-1]
        while typing.get_origin(section) in (Annotated, UnionType):
            section = typing.get_args(section)[0]
    return sorted(section.model_fields)
