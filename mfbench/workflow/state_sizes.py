"""The state sizes of a study's models, which decide for which linear systems there are baselines.

A process of its own builds the models, because planning must not load torch. Its answers are kept
until the settings or the code of a model change.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from mfbench.files import BrokenFileError, read_json, write_json
from mfbench.study.study import Study
from mfbench.workflow.code import model_digest
from mfbench.workflow.snakefile import environment

_KEPT = ".snakemake/mfbench"


def state_sizes(study: Study) -> list[int]:
    """State sizes below the sequence length, ascending; models without a fixed state have none.

    Raises
    ------
    ValueError
        The process that builds the models ended early.
    """
    length = study.task.length
    entries = {}
    for name, model in study.models.items():
        entry = {
            "settings": model.settings,
            "widths": study.widths(name),
            "sizes": {"length": length, "d_in": study.task.channels},
        }
        entries[_file(entry, model_digest(model, ""))] = entry
    found = {file: answer for file in entries if (answer := _kept(file)) is not None}
    new = [file for file in entries if file not in found]
    for file, answer in zip(new, _built([entries[file] for file in new]), strict=True):
        found[file] = answer
        with suppress(OSError):  # a dry run may lack write permission
            write_json(file, {"state_sizes": answer})
    return sorted({size for answer in found.values() for size in answer if 0 < size < length})


def _file(*key: Any) -> str:
    text = json.dumps(key, sort_keys=True)
    return f"{_KEPT}/states-{hashlib.sha256(text.encode()).hexdigest()[:16]}.json"


def _kept(file: str) -> list[int] | None:
    with suppress(OSError, BrokenFileError, KeyError):
        sizes: list[int] = read_json(file)["state_sizes"]
        return sizes
    return None


def _built(entries: Sequence[Mapping[str, Any]]) -> list[list[int]]:
    """The state sizes of each entry."""
    if not entries:
        return []
    done = subprocess.run(
        [sys.executable, "-P", "-m", "mfbench.workflow.state_sizes"],
        input=json.dumps(entries),
        capture_output=True,
        text=True,
        check=False,
        env=environment(),
        start_new_session=True,  # on Ctrl-C, it is killed and has nothing to say
    )
    if done.returncode:
        raise ValueError(f"the process that builds the models failed:\n{done.stderr}")
    answers: list[list[int]] = json.loads(done.stdout)
    return answers


def main() -> None:
    """Read models as JSON from stdin, and write the state sizes of each to stdout."""
    from mfbench.models.build import build_model
    from mfbench.models.own_code import ArchitectureError

    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # keep the models' own output out of the answers

    def sizes_of(entry: Mapping[str, Any]) -> list[int]:
        with suppress(ArchitectureError):  # its training says so
            return [
                size
                for width in entry["widths"]
                if (
                    size := build_model(entry["settings"], width=width, **entry["sizes"]).state_size
                )
            ]
        return []

    with answers:
        json.dump([sizes_of(entry) for entry in json.load(sys.stdin)], answers)


if __name__ == "__main__":
    main()
