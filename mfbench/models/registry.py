"""Find architectures by name, without importing them.

Registered architectures are the modules in this folder that have a class with ``@register``. A
study may also name a class in any other file, as ``path/to/file.py:Class``.
"""

from __future__ import annotations

import functools
import importlib.util
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from mfbench.models.mixer import Mixer

_HERE = Path(__file__).parent
_PACKAGE = "mfbench.models"
_REGISTERED = re.compile(r"^@register\n(?:@.*\n)*class (\w+)", re.MULTILINE)

T = TypeVar("T", bound=type)


def register(architecture: T) -> T:
    """Mark a class as the architecture that is named after its file."""
    return architecture


@dataclass(frozen=True)
class Source:
    """Where to find an architecture."""

    reference: str
    path: Path
    class_name: str
    module: str | None  # dotted name inside mfbench; None for a user's own file


@functools.cache
def registered() -> Mapping[str, Source]:
    """All registered architectures by name."""
    found = {}
    for path in sorted(_HERE.glob("*.py")):
        # A regular expression, because parsing the files takes a third of a second in every job.
        if named := _REGISTERED.search(path.read_text(encoding="utf-8")):
            found[path.stem] = Source(path.stem, path, named[1], f"{_PACKAGE}.{path.stem}")
    return found


def locate(reference: str) -> Source:
    """Find the source that a study's ``model`` names.

    Parameters
    ----------
    reference : str
        A registered name, or ``path/to/file.py:Class`` relative to the working directory.

    Raises
    ------
    ValueError
        The reference is neither; the message lists what is allowed.
    """
    if reference in registered():
        return registered()[reference]
    file, separator, class_name = reference.rpartition(":")
    if reference.endswith(".py"):
        raise ValueError(f"{reference!r} names a file but no class: give {reference}:Class")
    if not separator or not file.endswith(".py"):
        raise ValueError(
            f"no architecture named {reference!r}; choose from {', '.join(registered())}, "
            "or give path/to/file.py:Class"
        )
    path = Path(file)
    if not path.is_file():
        hint = "; ~ and $ are not expanded" if file.startswith("~") or "$" in file else ""
        raise ValueError(f"no file {file!r} (looked in {Path.cwd()}{hint})")
    return Source(reference, path, class_name, None)


def load_class(source: Source) -> type[Mixer]:
    """Import the class of an architecture (and torch with it).

    Raises
    ------
    ValueError
        The file has no such class. Errors in the file itself pass unchanged.
    """
    if source.module is not None:
        return getattr(importlib.import_module(source.module), source.class_name)
    folder = str(source.path.resolve().parent)
    sys.path.insert(0, folder)  # a user's file may import its neighbours
    try:
        spec = importlib.util.spec_from_file_location(
            f"mfbench_user_{source.path.stem}", source.path
        )
        if spec is None or spec.loader is None:
            raise ValueError(f"{source.path} cannot be imported")
        module = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = module  # dataclasses and pickle look it up there
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(folder)
    if not hasattr(module, source.class_name):
        own = [n for n, v in vars(module).items() if getattr(v, "__module__", "") == spec.name]
        classes = [name for name in own if isinstance(getattr(module, name), type)]
        raise ValueError(
            f"{source.path} has no class {source.class_name!r}; it has: "
            f"{', '.join(classes) or 'none'}"
        )
    return getattr(module, source.class_name)
