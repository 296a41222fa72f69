"""The JSON schema of a study file, for editors: ``python -m mfbench.study.schema FILE``."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from mfbench.models.options import options_schema
from mfbench.models.registry import load_class, registered
from mfbench.study.study import Study
from mfbench.tasks.kernels.lookup import families


def study_schema() -> str:
    """The content of config/schema.json."""
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **Study.model_json_schema(),
    }
    kernels = schema["properties"]["kernels"]
    kernels["properties"] = dict.fromkeys(
        families(), next(iter(kernels["patternProperties"].values()))
    )
    rules = schema["$defs"]["ArchitectureSettings"]["allOf"] = _options_by_model()
    entries = schema["properties"]["architectures"]
    # An entry may be empty; without a model, its name is the model.
    for pattern, entry in entries["patternProperties"].items():
        entries["patternProperties"][pattern] = {"anyOf": [entry, {"type": "null"}]}
    entries["properties"] = {
        rule["if"]["properties"]["model"]["const"]: {
            "if": {"required": ["model"]},
            "else": rule["then"],
        }
        for rule in rules
    }
    return json.dumps(schema, indent=2) + "\n"


def _options_by_model() -> list[dict[str, Any]]:
    """Let editors complete the options of each registered architecture."""
    rules = []
    for name, source in registered().items():
        condition = {"properties": {"model": {"const": name}}, "required": ["model"]}
        then = {"properties": {"options": options_schema(load_class(source))}}
        rules.append({"if": condition, "then": then})
    return rules


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(study_schema(), encoding="utf-8")
