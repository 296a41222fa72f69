"""The whole study, read once per run."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import (
    AfterValidator,
    Field,
    PrivateAttr,
    ValidationError,
    model_validator,
)

from mfbench.study.architecture import ArchitectureSettings, MatchSettings
from mfbench.study.document import Document, Location, StudyError, read_documents
from mfbench.study.evaluation import EvaluationSettings
from mfbench.study.kernel import KernelSettings, Level
from mfbench.study.models import Model, build_models
from mfbench.study.phases import DiagnoseSettings, PilotSettings, RefineSettings
from mfbench.study.problems import problem
from mfbench.study.section import Name, Section
from mfbench.study.task import FloorSettings, TaskSettings
from mfbench.study.training import TrainingSettings, merged
from mfbench.tasks.kernels.lookup import families
from mfbench.tasks.kernels.memory import window_weights

LATER_PHASES = ("refine", "diagnose")  # each is a section of the study, in this order
ALL_PHASES = ("pilot", "study", *LATER_PHASES)


class _WrongError(ValueError):
    """A problem between several keys, with the key to name in the message."""

    def __init__(self, location: Location, message: str) -> None:
        super().__init__(message)
        self.location = location


def _folder(path: str) -> str:
    """Normalise a folder's name as Snakemake does; refuse names that Snakemake cannot handle."""
    wrong = sorted({c for c in path if c in "{}" or not c.isprintable()})
    if wrong:
        raise ValueError(
            f"Snakemake cannot handle a folder with {', '.join(map(repr, wrong))} in its name"
        )
    if not path or path != path.strip() or path.startswith("~") or "://" in path:
        raise ValueError(
            f"{path!r} must be a local folder, without spaces at either end and with ~ written "
            "out in full"
        )
    if re.search(r"\$\w", path):
        raise ValueError(f"{path!r}: write it in full; variables such as $HOME are not expanded")
    return os.path.normpath(path)


class Study(Section):
    """A study of mfbench: tasks x architectures, and how they are trained and evaluated."""

    name: Name = Field(description="Name of the study.")
    results: Annotated[str, AfterValidator(_folder)] = Field(
        "", description="Folder for all results; default: results/<name>."
    )
    task: TaskSettings = TaskSettings()
    kernels: Annotated[dict[Name, KernelSettings], Field(min_length=1)] = Field(
        description="Memory functions, by their family or by a name of your choice."
    )
    architectures: Annotated[dict[Name, ArchitectureSettings], Field(min_length=1)] = Field(
        description="Architectures by a name of your choice."
    )
    match: MatchSettings | None = Field(
        None, description="Size of all architectures that list no widths."
    )
    training: TrainingSettings = TrainingSettings()
    evaluation: EvaluationSettings = EvaluationSettings()
    floors: FloorSettings = FloorSettings()
    pilot: PilotSettings | None = Field(
        None,
        description="Keeps the learning rates around the best one of each architecture, width and "
        "kernel; null to train at all of them.",
    )
    refine: RefineSettings | None = Field(
        None, description="Adds levels around each failure boundary; null for none."
    )

    diagnose: DiagnoseSettings | None = Field(
        None, description="Looks for the cause of each failure by experiment; null for none."
    )

    _document: Document = PrivateAttr(Document({}, "the study"))

    @model_validator(mode="after")
    def _possible(self) -> Self:
        for kernel, settings in self.kernels.items():
            if kernel in families() and settings.reference != kernel:
                raise ValueError(
                    f"kernels.{kernel}: this is the name of a registered family, so give "
                    f"{settings.reference} another name"
                )
            try:
                self.levels(kernel)
            except ValueError as error:
                raise _WrongError(("kernels", kernel), f"{error}") from None
        if self.training.batch_size > self.task.sequences.train:
            raise _WrongError(
                ("training", "batch_size"),
                f"{self.training.batch_size} is more than task.sequences.train = "
                f"{self.task.sequences.train}",
            )
        if self.match and not any(entry.match for entry in self.architectures.values()):
            raise _WrongError(
                ("match",),
                "it has no effect, because all architectures list widths: remove match or widths",
            )
        if self.pilot and self.pilot.seed in self.training.seeds:
            raise _WrongError(
                ("pilot", "seed"),
                f"{self.pilot.seed} is one of training.seeds; the pilot needs a seed of its own",
            )
        if self.pilot and self.pilot.keep >= len(self.training.learning_rates):
            raise _WrongError(
                ("pilot", "keep"),
                f"{self.pilot.keep} must be less than the number of training.learning_rates, "
                f"which is {len(self.training.learning_rates)}",
            )
        return self

    @cached_property
    def _levels(self) -> dict[str, list[Level]]:
        return {}

    def levels(self, kernel: str) -> list[Level]:
        """The levels of one kernel, from easy to hard."""
        if kernel not in self._levels:
            weights = window_weights(self.task.length, self.task.scored_from)
            self._levels[kernel] = self.kernels[kernel].levels(
                length=self.task.length,
                longest=self.task.length * max(self.evaluation.length_factors),
                most=self.task.longest_memory,
                weights=weights,
            )
        return self._levels[kernel]

    @cached_property
    def models(self) -> dict[str, Model]:
        """Its architectures by name, each built once at all its widths.

        Raises
        ------
        StudyError
            One line per option or width with which an architecture cannot be built.
        """
        entries = {
            name: a.entry(self.task.length, d_in=self.task.channels)
            for name, a in self.architectures.items()
        }
        models, problems = build_models(entries)
        if problems:
            raise _invalid(
                self._document, [(("architectures", *at), f": {m}") for at, m in problems]
            )
        return models

    def widths(self, architecture: str) -> list[int]:
        """The widths of an architecture; one with a `match` is built for it."""
        settings = self.architectures[architecture]
        return self.models[architecture].widths if settings.match else settings.widths

    def state_sizes(self) -> list[int]:
        """Sizes below the sequence length that the states of its models have, ascending."""
        found = {size or 0 for model in self.models.values() for size in model.state_sizes}
        return sorted(size for size in found if 0 < size < self.task.length)

    def training_of(self, architecture: str) -> TrainingSettings:
        """The study's training settings with the changes of one architecture."""
        changes = self.architectures[architecture].training.given()
        return TrainingSettings.model_validate(merged(self.training.model_dump(), changes))

    @property
    def phases(self) -> list[str]:
        """The phases of this study; each one after the first depends on earlier results."""
        return [phase for phase in ALL_PHASES if phase == "study" or getattr(self, phase)]

    def groups(self) -> list[tuple[str, int, str]]:
        """All (architecture, width, kernel); each has one cell per level of its kernel."""
        return [
            (architecture, width, kernel)
            for architecture in self.architectures
            for width in self.widths(architecture)
            for kernel in self.kernels
        ]


def load_study(study: Mapping[str, Any] | Document, *, origin: str = "the study") -> Study:
    """Check a study. (Its models are built at the first access to `Study.models`.)

    Parameters
    ----------
    study : mapping or Document
        The content of a study file.
    origin : str
        Name of the source of a mapping in error messages.

    Raises
    ------
    StudyError
        One line per problem: the place, the key path, the value, and what is allowed.
    """
    document = study if isinstance(study, Document) else Document(dict(study), origin)
    try:
        # As JSON, because pydantic's strict mode then still accepts a list for a tuple.
        text = json.dumps(_completed(document.content))
        found = Study.model_validate_json(text, strict=True)
    except ValidationError as error:
        # Skip defaults that could not be computed because another value is invalid.
        problems = [e for e in error.errors() if e["type"] != "default_factory_not_called"]
        raise _invalid(document, [_explain(e) for e in problems]) from None
    found._document = document
    return found


def read_study(path: str | Path) -> Study:
    """Read and check a study file (YAML).

    Raises
    ------
    StudyError
        The file cannot be read, is not strict YAML, or is not a valid study.
    """
    return load_study(read_documents([path]))


def _completed(content: Mapping[str, Any]) -> dict[str, Any]:
    """`rnn: {}` means `rnn: {model: rnn}`, and so on; `results` defaults to results/<name>.

    The study's `match` becomes that of all architectures that list no widths.
    """
    completed = {"results": f"results/{content.get('name')}", **content}
    if isinstance(architectures := content.get("architectures"), dict):
        size = {"match": content["match"]} if content.get("match") else {}
        completed["architectures"] = {
            name: {"model": name, **({} if "widths" in (entry or {}) else size), **(entry or {})}
            if entry is None or isinstance(entry, dict)
            else entry
            for name, entry in architectures.items()
        }
    if isinstance(kernels := content.get("kernels"), dict):
        completed["kernels"] = {
            name: {"family": name, **entry}
            if isinstance(entry, dict) and "values" not in entry
            else entry
            for name, entry in kernels.items()
        }
    return completed


def _invalid(document: Document, problems: list[tuple[Location, str]]) -> StudyError:
    lines = []
    for at, text in problems:
        key = "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in at)[1:]
        place = document.place(at)
        lines.append(f"  {place + ': ' if place else ''}{(key + text).removeprefix(': ')}")
    return StudyError("\n".join([f"{document.origin} is not a valid study:", *lines]))


def _explain(error: Any) -> tuple[Location, str]:
    location, text = error["loc"], problem(Study, error)
    if error["type"] in ("extra_forbidden", "missing"):
        return location, f": {text}"
    if error["type"] == "value_error":
        return getattr(error["ctx"]["error"], "location", location), f": {text}"
    return location, f" = {error['input']!r}: {text}"
