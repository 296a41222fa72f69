"""The schema for editors agrees with the checks in the code."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import pytest
import yaml

from mfbench.study.schema import study_schema
from tests.conftest import REPOSITORY, small_study


def test_the_schema_file_has_not_drifted() -> None:
    kept = (REPOSITORY / "config" / "schema.json").read_text()
    assert kept == study_schema(), "run: python -m mfbench.study.schema config/schema.json"


def test_the_schema_forbids_unknown_keys_and_knows_the_options() -> None:
    schema = json.loads(study_schema())
    assert schema["additionalProperties"] is False
    rules = schema["$defs"]["ArchitectureSettings"]["allOf"]
    s4d = next(r for r in rules if r["if"]["properties"]["model"]["const"] == "s4d")
    init = s4d["then"]["properties"]["options"]["properties"]["init"]
    assert init["enum"] == ["lin", "inv", "legs", "real"]


@pytest.mark.parametrize(
    "path", [REPOSITORY / "config.yaml", *sorted((REPOSITORY / "config").glob("*.yaml"))]
)
def test_shipped_studies_fit_the_schema(path: Any) -> None:
    jsonschema.validate(yaml.safe_load(path.read_text()), json.loads(study_schema()))


@pytest.mark.parametrize(
    "entry",
    [
        {"options": {"init": "hippo"}},
        {"options": {"nonsense": 1}},
        {"model": "s4d", "options": {"nonsense": 1}},
        {"wdths": [4]},
    ],
)
def test_editors_see_wrong_options_with_and_without_a_model(entry: dict[str, Any]) -> None:
    study = small_study()
    study["architectures"] = {"s4d": entry, "rnn": None}
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(study, json.loads(study_schema()))
    study["architectures"]["s4d"] = {"model": "rnn", "widths": [4]}
    jsonschema.validate(study, json.loads(study_schema()))
