"""The schema that editors use is the one that the code checks."""

from __future__ import annotations

import json

from mfbench.config.schema import study_schema
from tests.conftest import REPOSITORY


def test_the_schema_file_has_not_drifted() -> None:
    kept = (REPOSITORY / "config" / "schema.json").read_text()
    assert kept == study_schema(), "run: python -m mfbench.config.schema config/schema.json"


def test_the_schema_forbids_unknown_keys_and_knows_the_options() -> None:
    schema = json.loads(study_schema())
    assert schema["additionalProperties"] is False
    rules = schema["$defs"]["ArchitectureSettings"]["allOf"]
    s4d = next(r for r in rules if r["if"]["properties"]["model"]["const"] == "s4d")
    init = s4d["then"]["properties"]["options"]["properties"]["init"]
    assert init["enum"] == ["lin", "inv", "legs", "real"]
