"""Find architectures by name, and read their options from source without importing them.

Snakemake parses and checks a study often, so checking must not import torch, which takes seconds.
Instead, `ast` reads an architecture's options, with types and defaults, from the signature of its
class: they are written only once, in the file that uses them.

Registered architectures are the modules beside this one with a class under ``@register``. A study
may also name any other file, as ``path/to/file.py:Class``.
"""

from __future__ import annotations

import ast
import functools
import importlib.util
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from pydantic import NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt

if TYPE_CHECKING:
    from mfbench.models.mixer import Mixer

_HERE = Path(__file__).parent
_PACKAGE = "mfbench.models"
_REGISTERED = re.compile(r"^@register\n(?:@.*\n)*class (\w+)", re.MULTILINE)
_ANNOTATIONS: dict[str, Any] = {
    "int": int,
    "float": float,
    "bool": bool,
    "str": str,
    "list": list,
    "tuple": tuple,
    "Literal": Literal,
    "PositiveInt": PositiveInt,
    "PositiveFloat": PositiveFloat,
    "NonNegativeInt": NonNegativeInt,
    "NonNegativeFloat": NonNegativeFloat,
}

T = TypeVar("T", bound=type)


def register(architecture: T) -> T:
    """Register a class as the architecture named after its file."""
    return architecture


@dataclass(frozen=True)
class Source:
    """Where to find an architecture."""

    reference: str
    path: Path
    class_name: str
    module: str | None  # dotted name inside mfbench; None for a user's own file


@dataclass
class Declaration:
    """The settings that an architecture's source lets a study choose.

    Both map names to types and defaults (``...`` if a value is required). `options` holds the
    architecture's own options, `stack` the class attributes of Mixer.
    """

    options: dict[str, tuple[Any, Any]] = field(default_factory=dict)
    stack: dict[str, tuple[Any, Any]] = field(default_factory=dict)


@functools.cache
def registered() -> Mapping[str, Source]:
    """All registered architectures by name."""
    found = {}
    for path in sorted(_HERE.glob("*.py")):
        # A regular expression: parsing all files would take a third of a second in every job.
        if named := _REGISTERED.search(path.read_text(encoding="utf-8")):
            found[path.stem] = Source(path.stem, path, named[1], f"{_PACKAGE}.{path.stem}")
    return found


def locate(reference: str) -> Source:
    """The source that a study's ``model`` names.

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
        raise ValueError(f"no file {file!r} (looked in {Path.cwd()})")
    classes = [n.name for n in _parse(path).body if isinstance(n, ast.ClassDef)]
    if class_name not in classes:
        raise ValueError(
            f"{file} has no class {class_name!r}; it has: {', '.join(classes) or 'none'}"
        )
    return Source(reference, path, class_name, None)


@functools.cache
def declaration(source: Source) -> Declaration:
    """Options and stack defaults of an architecture, read from its source.

    Raises
    ------
    ValueError
        An option has no annotation, or one that mfbench cannot read from source.
    """
    found = Declaration()
    bases = _lineage(source.path, source.class_name)
    for path, node in reversed(bases):  # Mixer first, so that subclasses override it
        for statement in node.body:
            if isinstance(statement, ast.FunctionDef) and statement.name == "__init__":
                found.options = _options(path, node.name, statement)
            elif isinstance(statement, ast.AnnAssign) and node.name == "Mixer":
                name = ast.unparse(statement.target)
                inner = statement.annotation.slice  # type: ignore[attr-defined]
                found.stack[name] = (_annotation(inner), _literal(statement.value))
            elif isinstance(statement, ast.Assign | ast.AnnAssign):
                targets = (
                    statement.targets if isinstance(statement, ast.Assign) else [statement.target]
                )
                name = ast.unparse(targets[0])
                if name in found.stack:
                    found.stack[name] = (found.stack[name][0], _literal(statement.value))
    if "layers" not in found.stack:
        raise ValueError(
            f"{source.path}: {source.class_name} is not a subclass of {_PACKAGE}.mixer.Mixer"
        )
    return found


def load_class(source: Source) -> type[Mixer]:
    """Import the class of an architecture (and torch with it)."""
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
    return getattr(module, source.class_name)


def _parse(path: Path) -> ast.Module:
    try:
        return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))
    except SyntaxError as error:
        raise ValueError(f"{path} is not valid Python: {error}") from error


def _lineage(path: Path, class_name: str) -> list[tuple[Path, ast.ClassDef]]:
    """The class and its bases up to Mixer, if defined in this file, beside it or in mfbench."""
    tree = _parse(path)
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and node.name == class_name:
            lineage = [(path, node)]
            for base in node.bases:
                home = _home(path, tree, ast.unparse(base))
                if home is not None:
                    lineage += _lineage(*home)
            return lineage
    return []


def _home(path: Path, tree: ast.Module, name: str) -> tuple[Path, str] | None:
    """File and name of a base class in this file, beside it or among mfbench's architectures."""
    holder, _, last = name.rpartition(".")
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and node.name == name:
            return path, name
        for alias in node.names if isinstance(node, ast.Import | ast.ImportFrom) else ():
            bound, origin = alias.asname or alias.name, alias.name
            if isinstance(node, ast.ImportFrom):
                origin = f"{node.module}.{alias.name}"
            if bound == name:  # from module import Class
                module, _, last = origin.rpartition(".")
            elif bound == holder:  # import module, and then module.Class
                module = origin
            else:
                continue
            inside = module.startswith(_PACKAGE + ".")
            file = (_HERE if inside else path.parent) / f"{module.rpartition('.')[2]}.py"
            return (file, last) if file.is_file() else None
    return None


def _options(path: Path, owner: str, init: ast.FunctionDef) -> dict[str, tuple[Any, Any]]:
    options = {}
    for argument, default in zip(init.args.kwonlyargs, init.args.kw_defaults, strict=True):
        if argument.annotation is None:
            raise ValueError(f"{path}: option {argument.arg!r} of {owner} has no annotation")
        try:
            value = ... if default is None else _literal(default)
            options[argument.arg] = (_annotation(argument.annotation), value)
        except (NameError, ValueError, TypeError) as error:
            raise ValueError(
                f"{path}: option {argument.arg!r} of {owner}: annotation and default must be "
                f"literals built from {', '.join(_ANNOTATIONS)} and None ({error})"
            ) from error
    return options


def _annotation(node: ast.expr) -> Any:
    expression = compile(ast.Expression(node), "<annotation>", "eval")
    return eval(expression, {"__builtins__": {}, **_ANNOTATIONS})  # noqa: S307


def _literal(node: ast.expr | None) -> Any:
    return ast.literal_eval(node) if node is not None else ...
