"""Find architectures by name, without importing them.

Registered architectures are the modules in `architectures/` that have a class with ``@register``. A
study may also name a class or function in any other file, as ``path/to/file.py:Class``, or the
entry point of an installed package in the group ``mfbench.models``.
"""

from __future__ import annotations

import ast
import functools
import importlib.metadata
import importlib.util
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import FunctionType
from typing import Any, TypeVar

ENTRY_POINTS = "mfbench.models"
"""The group of entry points with which packages offer architectures."""

_FOLDER = Path(__file__).with_name("architectures")
_PACKAGE = "mfbench.models.architectures"
# With one of these, a file may define a class that its text does not name: only importing tells.
_NAMES_UNSEEN = re.compile(r"import \*|__getattr__|globals|vars|exec|setattr")
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
    module: str | None  # dotted name; None for a user's own file
    distribution: str = ""  # name and version of the package of an entry point


@functools.cache
def registered() -> Mapping[str, Source]:
    """All registered architectures by name."""
    found = {}
    for path in sorted(_FOLDER.glob("*.py")):
        # A regular expression, because parsing the files takes a third of a second in every job.
        if named := _REGISTERED.search(path.read_text(encoding="utf-8")):
            found[path.stem] = Source(path.stem, path, named[1], f"{_PACKAGE}.{path.stem}")
    return found


def installed() -> Mapping[str, tuple[Source, ...]]:
    """The architectures of installed packages by the names of their entry points."""
    return _installed(tuple(sys.path))


@functools.cache
def _installed(_path: tuple[str, ...]) -> Mapping[str, tuple[Source, ...]]:
    found: dict[str, tuple[Source, ...]] = {}
    for point in importlib.metadata.entry_points(group=ENTRY_POINTS):
        package = point.module.partition(".")[0]
        # Only the top-level package: to find a submodule, Python would import the package.
        spec = importlib.util.find_spec(package)
        places = [spec.origin, *(spec.submodule_search_locations or [])] if spec else []
        path = next((Path(place) for place in places if place), Path(package))
        version = f"{point.dist.name} {point.dist.version}" if point.dist else point.value
        source = Source(point.name, path, point.attr, point.module, version)
        found[point.name] = (*found.get(point.name, ()), source)
    return found


def locate(reference: str) -> Source:
    """Find the source that a study's ``model`` names.

    Parameters
    ----------
    reference : str
        A registered name, the name of an entry point, or ``path/to/file.py:Class`` with an
        absolute path or one relative to the working directory.

    Raises
    ------
    ValueError
        The reference is none of these, and the message lists what is allowed; or two architectures
        have this name.
    """
    own = (registered()[reference],) if reference in registered() else ()
    if len(found := own + installed().get(reference, ())) > 1:
        texts = [f"{s.module}:{s.class_name} of {s.distribution or 'mfbench'}" for s in found]
        raise ValueError(
            f"two architectures are named {reference!r}: {' and '.join(texts)}; rename an entry "
            "point, or give path/to/file.py:Class"
        )
    if found:
        return found[0]
    file, separator, class_name = reference.rpartition(":")
    if reference.endswith(".py"):
        raise ValueError(f"{reference!r} names a file but no class: give {reference}:Class")
    if not separator and Path(reference).is_dir():
        raise ValueError(f"{reference!r} is a folder: give path/to/file.py:Class")
    if not separator or not file.endswith(".py"):
        raise ValueError(
            f"no architecture named {reference!r}; choose from "
            f"{', '.join([*registered(), *installed()])}, "
            "or give path/to/file.py:Class"
        )
    path = Path(file)
    if not path.is_file():
        hint = "; ~ and $ are not expanded" if file.startswith("~") or "$" in file else ""
        raise ValueError(f"no file {file!r} (looked in {Path.cwd()}{hint})")
    text = path.read_text(encoding="utf-8", errors="replace")
    if class_name not in text and not _NAMES_UNSEEN.search(text):
        raise ValueError(_no_class(path, class_name, _defined(text)))
    return Source(reference, path, class_name, None)


def load_class(source: Source) -> Any:
    """Import the class, or the function, of an architecture (and torch with it).

    Raises
    ------
    ValueError
        The file has no such class or function. Errors in the file itself pass unchanged.
    """
    if source.module is not None:
        found: Any = importlib.import_module(source.module)
        for name in source.class_name.split("."):
            found = getattr(found, name)
        return found
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
        named = [n for n in own if isinstance(getattr(module, n), type | FunctionType)]
        raise ValueError(_no_class(source.path, source.class_name, named))
    return getattr(module, source.class_name)


def _no_class(path: Path, name: str, there: list[str]) -> str:
    return f"{path} has no class or function {name!r}; it has: {', '.join(there) or 'none'}"


def _defined(text: str) -> list[str]:
    """Names of the classes and functions at the top of a file."""
    try:
        statements = ast.parse(text).body
    except SyntaxError:
        return []
    return [s.name for s in statements if isinstance(s, ast.ClassDef | ast.FunctionDef)]
