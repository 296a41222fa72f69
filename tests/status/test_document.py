"""The JSON document keeps its schema."""

from __future__ import annotations

import json
from typing import Any

import jsonschema

from mfbench.status.document import status_document
from mfbench.status.state import total
from mfbench.status.study import study_status
from mfbench.workflow.job_state import job_state
from tests.status.results import FAILED, OK, Results

COUNTS = {
    "type": "object",
    "additionalProperties": False,
    "required": (
        keys := [
            *("cells", "done", "running", "failed", "diverged", "missing"),
            *("interrupted", "outdated", "unreadable"),
            *("diverged_members", "groups", "groups_evaluated"),
        ]
    ),
    "properties": {key: {"type": "integer", "minimum": 0} for key in keys},
}


def cells_with(**more: Any) -> dict[str, Any]:
    properties = {
        "architecture": {"type": "string"},
        "width": {"type": "integer"},
        "kernel": {"type": "string"},
        "rho": {"type": "string"},
        "memory_length": {"type": "integer"},
        "added": {"type": "boolean"},
        **more,
    }
    one = {
        "type": "object",
        "additionalProperties": False,
        "required": list(properties),
        "properties": properties,
    }
    return {"type": "array", "minItems": 1, "items": one}


TEXT, WHOLE = {"type": "string"}, {"type": "integer"}
SCHEMA = {
    "type": "object",
    "additionalProperties": False,
    "required": (
        parts := [
            *("version", "study", "results", "time", "members_per_cell"),
            *("total", "architectures", "cells", "problems"),
        ]
    ),
    "properties": {
        **dict.fromkeys(parts, TEXT),
        "version": {"const": 1},
        "members_per_cell": WHOLE,
        "total": COUNTS,
        "architectures": {
            "type": "object",
            "additionalProperties": {
                "type": "object",
                "additionalProperties": False,
                "required": ["total", "kernels"],
                "properties": {
                    "total": COUNTS,
                    "kernels": {"type": "object", "additionalProperties": COUNTS},
                },
            },
        },
        "cells": {
            "type": "object",
            "additionalProperties": False,
            "required": ["running", "failed", "diverged", "missing"],
            "properties": {
                "running": cells_with(
                    host=TEXT, pid=WHOLE, slurm_job_id={"type": ["string", "null"]}, started=TEXT
                ),
                "failed": cells_with(message=TEXT, log=TEXT),
                "diverged": cells_with(diverged_members=WHOLE),
                "missing": cells_with(
                    reason={"enum": ["", "interrupted", "outdated", "unreadable"]}, message=TEXT
                ),
            },
        },
        "problems": {"type": "array", "items": TEXT, "minItems": 1},
    },
}


def test_the_document_keeps_its_schema(results: Results, easy: str, hard: str) -> None:
    results.training("rnn", "exponential", {easy: ["diverged"] * 4, hard: OK})
    results.training("s4d", "exponential", {easy: FAILED}, failure={easy: "why"})
    results.training("s4d", "exponential", {hard: OK}).write_text("broken")
    with job_state(results.job("rnn", "impulse", "3")):
        document = json.loads(json.dumps(status_document(study_status(results.study))))
    jsonschema.validate(document, SCHEMA)
    assert document["total"]["cells"] == 6
    assert document["architectures"]["rnn"]["total"] == total(
        document["architectures"]["rnn"]["kernels"].values()
    )
    assert document["architectures"]["rnn"]["kernels"]["impulse"]["running"] == 1
    assert document["cells"]["failed"] == [
        {
            "architecture": "s4d",
            "width": 4,
            "kernel": "exponential",
            "rho": easy,
            "memory_length": 2,
            "added": False,
            "message": "why",
            "log": str(results.folder / f"logs/training/s4d/width=4/exponential/rho={easy}.log"),
        }
    ]
