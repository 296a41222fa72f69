"""What can be said of the cells of a study: done, running, failed, diverged or missing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

State = Literal["done", "running", "failed", "diverged", "missing"]
STATES: tuple[State, ...] = ("done", "running", "failed", "diverged", "missing")
# Why a cell is missing although something is there.
REASONS = ("interrupted", "outdated", "unreadable")

Group = tuple[str, int, str]  # architecture, width, kernel


@dataclass(frozen=True)
class Cell:
    """One cell of a study.

    Attributes
    ----------
    architecture, width, kernel, rho
        Which one; rho as it stands in the names of files.
    memory_length : int
        M99 in steps.
    added : bool
        Whether the second pass adds it.
    state : str
        One of `STATES`. Done: all members are trained with the study's settings. Diverged: trained,
        and some members diverged. Failed: its architecture's code broke, or its job ended with an
        error.
    reason : str
        One of `REASONS` where a missing cell has left something, else empty.
    message : str
        What a failed cell, or an unreadable file, says.
    log : str
        Where a failed cell says more.
    diverged_members : int
        Number of members that diverged.
    job : dict
        What a running job says: host, pid, slurm_job_id, started.
    """

    architecture: str
    width: int
    kernel: str
    rho: str
    memory_length: int
    added: bool
    state: State
    reason: str = ""
    message: str = ""
    log: str = ""
    diverged_members: int = 0
    job: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class StudyStatus:
    """How a study stands.

    Attributes
    ----------
    name, results : str
        Name and folder of the study.
    members : int
        Members (learning rate x seed) of one cell.
    cells : tuple of Cell
        In the order of the study.
    evaluated : dict
        For each (architecture, width, kernel), whether an evaluation holds all its cells as they
        are trained now.
    problems : tuple of str
        Files that cannot be used, each with its path and what is wrong with it.
    """

    name: str
    results: str
    members: int
    cells: tuple[Cell, ...]
    evaluated: Mapping[Group, bool]
    problems: tuple[str, ...]

    def of(self, state: State) -> list[Cell]:
        """The cells in one state."""
        return [cell for cell in self.cells if cell.state == state]

    def counts(self) -> dict[tuple[str, str], dict[str, int]]:
        """For each (architecture, kernel), how many there are of what.

        The keys are ``cells``, those of `STATES` and `REASONS`, ``diverged_members``, ``groups``
        (widths) and ``groups_evaluated``.
        """
        cells: dict[tuple[str, str], list[Cell]] = {}
        evaluated: dict[tuple[str, str], list[bool]] = {}
        for (architecture, _, kernel), done in self.evaluated.items():
            evaluated.setdefault((architecture, kernel), []).append(done)
        for cell in self.cells:
            cells.setdefault((cell.architecture, cell.kernel), []).append(cell)
        return {key: _counts(cells[key], evaluated[key]) for key in evaluated}


def total(counts: Iterable[Mapping[str, int]]) -> dict[str, int]:
    """The sum of counts."""
    added: Counter[str] = Counter()
    for count in counts:
        added.update(count)
    return dict(added)


def _counts(cells: list[Cell], evaluated: list[bool]) -> dict[str, int]:
    states = Counter(cell.state for cell in cells)
    reasons = Counter(cell.reason for cell in cells)
    return {
        "cells": len(cells),
        **{state: states[state] for state in STATES},
        **{reason: reasons[reason] for reason in REASONS},
        "diverged_members": sum(cell.diverged_members for cell in cells),
        "groups": len(evaluated),
        "groups_evaluated": sum(evaluated),
    }
