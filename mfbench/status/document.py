"""The status of a study as JSON."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from mfbench.status.state import Cell, StudyStatus, total

VERSION = 1


def status_document(status: StudyStatus) -> dict[str, Any]:
    """The status in JSON's types.

    ``version``
        1; a change of what is below gets another number, additions do not.
    ``study``, ``results``, ``time``, ``members_per_cell``
        Name and folder of the study, when it was looked at (ISO 8601, UTC), and the number of
        (learning rate, seed) of a cell.
    ``total``, and ``architectures.NAME.total`` and ``.kernels.NAME``
        Counts: ``cells`` = ``done`` + ``running`` + ``failed`` + ``diverged`` + ``missing``; the
        missing ones that have left something, ``interrupted``, ``outdated`` and ``unreadable``;
        ``diverged_members``; ``groups`` of one (architecture, width, kernel), and
        ``groups_evaluated`` of which an evaluation holds all cells as they are trained now.
    ``cells.running``, ``.failed``, ``.diverged``, ``.missing``
        Lists of cells: ``architecture``, ``width``, ``kernel``, ``rho`` (text, as in file names),
        ``memory_length`` and ``added`` (by the second pass), with ``host``, ``pid``,
        ``slurm_job_id`` and ``started``; ``message`` and ``log``; ``diverged_members``;
        ``reason`` and ``message``, respectively.
    ``problems``
        Files that cannot be used, as text.
    """
    counts = status.counts()
    architectures: dict[str, Any] = {}
    for (architecture, kernel), count in counts.items():
        architectures.setdefault(architecture, {})[kernel] = count
    return {
        "version": VERSION,
        "study": status.name,
        "results": status.results,
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "members_per_cell": status.members,
        "total": total(counts.values()),
        "architectures": {
            name: {"total": total(kernels.values()), "kernels": kernels}
            for name, kernels in architectures.items()
        },
        "cells": {
            "running": [_named(c) | dict(c.job) for c in status.of("running")],
            "failed": [
                _named(c) | {"message": c.message, "log": c.log} for c in status.of("failed")
            ],
            "diverged": [
                _named(c) | {"diverged_members": c.diverged_members} for c in status.of("diverged")
            ],
            "missing": [
                _named(c) | {"reason": c.reason, "message": c.message} for c in status.of("missing")
            ],
        },
        "problems": list(status.problems),
    }


def _named(cell: Cell) -> dict[str, Any]:
    keys = ("architecture", "width", "kernel", "rho", "memory_length", "added")
    return {key: getattr(cell, key) for key in keys}
