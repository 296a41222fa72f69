"""The JSON schema of a study file, for editors: ``python -m mfbench.config.schema FILE``."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from mfbench.config.study import Study


def study_schema() -> str:
    """The schema as it is kept in config/schema.json."""
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **Study.model_json_schema(),
    }
    return json.dumps(schema, indent=2) + "\n"


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(study_schema(), encoding="utf-8")
