"""Build the models of a study once, in a separate process, and report their settings or faults.

Planning must not load torch, so `mfbench.study.models` starts this process and keeps its answers.
Each architecture is built in a fork, so that it cannot affect the others.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Collection, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from mfbench.models.build import STACK, build_model, load_architecture, no_stack
from mfbench.models.matching import matching_width
from mfbench.models.model import Model
from mfbench.models.options import (
    OptionsError,
    constructor_parameters,
    is_mixer,
    resolved_options,
)
from mfbench.models.own_code import ArchitectureError, own_code
from mfbench.models.registry import Source, locate

_PACKAGE = Path(__file__).parent.parent

Problem = tuple[tuple[str | int, ...], str]
"""A location in the architecture's section, and a message."""


class Built(NamedTuple):
    """What building an architecture has shown.

    Attributes
    ----------
    settings : dict
        All settings of the model except its width, with defaults filled in.
    widths : list of int
    state_sizes : list of int or None
        Real numbers in the state at each width; None without a state of fixed size.
    problems : list of Problem
        Why it cannot be built.
    """

    settings: dict[str, Any]
    widths: list[int]
    state_sizes: list[int | None]
    problems: list[Problem]


def build_all(entry: Mapping[str, Any]) -> Built:
    """Build an architecture at all its widths.

    Parameters
    ----------
    entry : mapping
        ``model``, ``stack`` (what the study sets of layers, norm, residual and activation),
        ``options``, ``widths`` or ``match`` (the size that the width is chosen for), ``length``
        and, if it is not 1, the number ``d_in`` of input channels.
    """
    try:
        architecture = load_architecture(entry["model"])
    except ArchitectureError as error:
        return Built({}, [], [], [(("model",), str(error))])
    problems: list[Problem] = []
    stack: dict[str, Any] = {}
    if is_mixer(architecture):
        stack = {key: entry["stack"].get(key, getattr(architecture, key)) for key in STACK}
    else:
        problems += [((key,), no_stack(architecture)) for key in entry["stack"]]
        if "width" not in constructor_parameters(architecture):
            unknown = "its constructor has no argument width: list one width"
            if entry["match"]:
                problems.append((("match",), unknown))
            elif len(entry["widths"]) > 1:
                problems.append((("widths",), unknown))
    try:
        options = resolved_options(architecture, entry["options"])
    except OptionsError as error:
        problems += [(("options", name), message) for name, message in error.problems]
    if problems:
        return Built({}, [], [], problems)
    settings = {"model": entry["model"], **stack, "options": options}
    sizes = {"length": entry["length"], "d_in": entry.get("d_in", 1)}

    def build(width: int) -> Model:
        return build_model(settings, width=width, **sizes)

    if entry["match"]:
        ((kind, wanted),) = entry["match"].items()
        try:
            width = matching_width(build, kind=kind, wanted=wanted)
            return Built(settings, [width], [_state_size(build(width))], [])
        except (ArchitectureError, ValueError) as error:
            return Built(settings, [], [], [(("match",), str(error))])
    states: list[int | None] = []
    for i, width in enumerate(entry["widths"]):
        try:
            states.append(_state_size(build(width)))
        except ArchitectureError as error:
            problems.append((("widths", i), f"width {width}: {error}"))
    return Built(settings, entry["widths"], states, problems)


def _state_size(model: Model) -> int | None:
    with (
        suppress(ArchitectureError),
        own_code(),
    ):  # a promise that breaks, which the training reports
        return model.state_size
    return None


def loaded_files(
    source: Source, libraries: Collection[str]
) -> tuple[dict[str, str], dict[str, str]]:
    """Digests of the files that this process has loaded, by their paths in two folders.

    Parameters
    ----------
    source : Source
        Where the model comes from.
    libraries : collection of str
        Modules to pass over, unless they belong to mfbench or to the model's own package: looking
        up where all modules of torch lie takes longer than building the model.

    Returns
    -------
    package : dict
        Files of mfbench's models.
    own : dict
        Files in or below the folder of a user's file, or of the package of an entry point; none
        for a registered architecture.
    """
    package, own = {}, {}
    folder = source.path.resolve().parent
    installed = (source.module or "").partition(".")[0] if source.distribution else None
    for name, module in list(sys.modules.items()):
        if name in libraries and name.partition(".")[0] not in ("mfbench", installed):
            continue
        file = getattr(module, "__file__", None)
        # Some modules of torch name a file that does not exist.
        if not isinstance(file, str) or not (path := Path(file).resolve()).is_file():
            continue
        if name.partition(".")[0] == installed:
            if path.suffix == ".py":
                own[path.as_posix()] = digest(path)
        elif _PACKAGE / "models" in path.parents:
            package[path.relative_to(_PACKAGE).as_posix()] = digest(path)
        elif source.module or "site-packages" in path.parts or _PACKAGE in path.parents:
            continue
        elif folder in path.parents and path.suffix == ".py":
            own[path.relative_to(folder).as_posix()] = digest(path)
    return package, own


def digest(path: Path) -> str:
    """Digest of a file's content."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _answer(entry: Mapping[str, Any], known: set[str]) -> dict[str, Any]:
    built = build_all(entry)
    package, own = loaded_files(locate(entry["model"]), known)
    new = sys.modules.keys() - known
    return {
        **built._asdict(),
        "package": package,
        "own": own,
        "modules": sorted(n.partition(".")[2] for n in new if n.startswith("mfbench.models.")),
    }


def main() -> None:
    """Read entries as JSON from stdin; write one line of JSON for each to stdout."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # keep the models' own output out of the answers
    known = set(sys.modules)
    for entry in json.load(sys.stdin):
        reading, writing = os.pipe()
        if os.fork() == 0:
            try:
                text = json.dumps(_answer(entry, known))
            except BaseException as error:  # a user's SystemExit too
                problem = (("model",), f"{type(error).__name__}: {error}")
                text = json.dumps({"problems": [problem]})
            with os.fdopen(writing, "w") as pipe:
                pipe.write(text)
            os._exit(0)
        os.close(writing)
        with os.fdopen(reading) as pipe:
            text = pipe.read()
        os.wait()
        ended = (("model",), "building it ended the process")
        answers.write((text or json.dumps({"problems": [ended]})) + "\n")
    answers.close()
