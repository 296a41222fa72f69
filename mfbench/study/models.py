"""Build the models of a study once at each width, for their settings, code files and faults.

`mfbench.models.build_all` builds them in a separate process, because planning must not load torch.
Its answers are kept until a setting or a file of the model changes; faults are not kept.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mfbench.files import read_json, write_json
from mfbench.files.integrity import BrokenFileError
from mfbench.models.registry import locate
from mfbench.study.document import Location, StudyError

_PACKAGE = Path(__file__).parent.parent
_KEPT = ".snakemake/mfbench"
_BUILD = """
import sys
sys.path.insert(0, sys.argv[1])
from mfbench.models.build_all import main
main()
"""


@dataclass(frozen=True)
class Model:
    """A model that could be built.

    Attributes
    ----------
    settings : dict
        All settings except its width, with defaults filled in.
    widths : list of int
        Those of the study, or the one with the size that the study asks for.
    state_sizes : list of int or None
        Real numbers in the state at each width; None without a state of fixed size.
    files : tuple of Path
        The files of a user's model: its own, and those below its folder that it loads; or those of
        an installed package that it loads.
    modules : tuple of str
        Modules of `mfbench.models` that it loads, without the prefix ``mfbench.``.
    distribution : str
        Name and version of the installed package that offers it; empty if none does.
    """

    settings: dict[str, Any]
    widths: list[int]
    state_sizes: list[int | None]
    files: tuple[Path, ...]
    modules: tuple[str, ...]
    distribution: str = ""


def build_models(
    entries: Mapping[str, Mapping[str, Any]],
) -> tuple[dict[str, Model], list[tuple[Location, str]]]:
    """Build the architectures of a study.

    Parameters
    ----------
    entries : mapping
        By name, the argument of `mfbench.models.build_all.build_all`.

    Returns
    -------
    models : dict
        Those that could be built, by name.
    problems : list
        Locations below ``architectures`` and messages.
    """
    answers = {name: _kept(entry) for name, entry in entries.items()}
    new = {name: entries[name] for name, answer in answers.items() if answer is None}
    answers |= _build(new)
    models, problems = {}, list[tuple[Location, str]]()
    for name, answer in answers.items():
        assert answer is not None
        problems += [((name, *at), message) for at, message in answer["problems"]]
        if not answer["problems"]:
            models[name] = Model(
                answer["settings"],
                answer["widths"],
                answer["state_sizes"],
                tuple(sorted(_folder(entries[name]) / file for file in answer["own"])),
                tuple(answer["modules"]),
                locate(entries[name]["model"]).distribution,
            )
    return models, problems


def _build(entries: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    if not entries:
        return {}
    done = subprocess.run(
        [sys.executable, "-c", _BUILD, str(_PACKAGE.parent)],
        input=json.dumps(list(entries.values())),
        capture_output=True,
        text=True,
        check=False,
        start_new_session=True,  # on Ctrl-C, it is killed and has nothing to say
    )
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    if len(answers) < len(entries):
        raise StudyError(f"the process that builds the models failed:\n{done.stderr}")
    found = dict(zip(entries, answers, strict=True))
    for name, answer in found.items():
        if not answer["problems"]:
            with suppress(OSError):  # a dry run may lack write permission
                write_json(_file(entries[name]), answer)
    return found


def _kept(entry: Mapping[str, Any]) -> dict[str, Any] | None:
    """The stored answer to an entry, if its files have not changed since."""
    try:
        answer: dict[str, Any] = read_json(_file(entry))
        _ = answer["state_sizes"]  # an earlier version of mfbench kept none
        for folder, files in ((_PACKAGE, answer["package"]), (_folder(entry), answer["own"])):
            for file, digest in files.items():
                if hashlib.sha256((folder / file).read_bytes()).hexdigest() != digest:
                    return None
    except (OSError, BrokenFileError, KeyError):
        return None
    return answer


def _file(entry: Mapping[str, Any]) -> str:
    source = locate(entry["model"])
    # Another environment may have another version of a package.
    package = f"{source.distribution} {source.path}" if source.distribution else ""
    text = json.dumps({**entry, "package": package}, sort_keys=True)
    return f"{_KEPT}/{hashlib.sha256(text.encode()).hexdigest()[:16]}.json"


def _folder(entry: Mapping[str, Any]) -> Path:
    return locate(entry["model"]).path.resolve().parent
