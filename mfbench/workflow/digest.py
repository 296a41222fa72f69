"""Digests of the code that a stage runs, so that a stage reruns when its code changes.

Snakemake tracks the time of a script's file and nothing of what it imports. Instead, a rule carries
the digest of its script and of exactly the modules that this reaches, as a param; comments,
docstrings and formatting do not change it. (profiles/default turns Snakemake's own look off.)
"""

from __future__ import annotations

import ast
import functools
import hashlib
from pathlib import Path

import grimp

from mfbench.models.registry import locate

_PACKAGE = Path(__file__).parent.parent
_DATA = {".html", ".css", ".js"}  # files of a package that its modules read


def normalised(source: str) -> str:
    """Python source without comments, docstrings and formatting."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(
            node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
        ) and isinstance(ast.get_docstring(node, clean=False), str):
            node.body = node.body[1:] or [ast.Pass()]
    return ast.unparse(tree)


@functools.cache
def stage_digest(script: str | Path, *, modules: tuple[str, ...] = ()) -> str:
    """Digest of a workflow script and of the package's modules that it reaches.

    Parameters
    ----------
    script : path
        The script.
    modules : tuple of str
        Dotted names of modules that the script imports by name at run time.

    Returns
    -------
    str
        16 hexadecimal digits.
    """
    path = Path(script)
    roots = {name for name in _imported(path) if name.partition(".")[0] == "mfbench"}
    code = normalised(path.read_text(encoding="utf-8"))
    return _hash([code, _digest_of_modules(frozenset(roots | set(modules)))])


def architecture_digest(reference: str) -> str:
    """Digest of the code of one architecture: its module, or a user's file with its neighbours."""
    source = locate(reference)
    if source.module is not None:
        return _digest_of_modules(frozenset({source.module}))
    files = _neighbours(source.path)
    inside = {n for f in files for n in _imported(f) if n.partition(".")[0] == "mfbench"}
    parts = [_digest_of_modules(frozenset(inside))]
    parts += [normalised(file.read_text(encoding="utf-8")) for file in files]
    return _hash(parts)


def reached_modules(roots: frozenset[str]) -> list[str]:
    """The roots, all that they import, and the packages that these lie in; sorted."""
    graph, reached, new = _graph(), set[str](), set(roots)
    while new:
        name = new.pop()
        # Importing a module imports the packages it lies in; and the last part of
        # `from package import name` need not be a module.
        new |= {parent for parent in [name.rpartition(".")[0]] if parent} - reached
        if name in graph.modules:
            reached.add(name)
            new |= graph.find_modules_directly_imported_by(name) - reached
    return sorted(reached)


@functools.cache
def _graph() -> grimp.ImportGraph:
    return grimp.build_graph("mfbench", cache_dir=None, exclude_type_checking_imports=True)


@functools.cache
def _digest_of_modules(roots: frozenset[str]) -> str:
    return _hash([_module_digest(name) for name in reached_modules(roots)])


@functools.cache
def _module_digest(name: str) -> str:
    path = _PACKAGE.joinpath(*name.split(".")[1:])
    if not path.is_dir():
        return _hash([name, normalised(path.with_suffix(".py").read_text(encoding="utf-8"))])
    data = sorted(f for f in path.iterdir() if f.suffix in _DATA)
    source = (path / "__init__.py").read_text(encoding="utf-8")
    return _hash([name, normalised(source), *(f.read_text(encoding="utf-8") for f in data)])


def _imported(path: Path) -> set[str]:
    """Dotted names that a file imports, wherever in it."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module is not None and not node.level:
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def _neighbours(path: Path) -> list[Path]:
    """A user's file and the files beside it that it imports, in a fixed order."""
    found, new = set[Path](), {path}
    while new:
        file = new.pop()
        found.add(file)
        for name in _imported(file):
            beside = path.parent / name.partition(".")[0]
            files = [beside.with_suffix(".py"), *sorted(beside.rglob("*.py"))]
            new |= {f for f in files if f.is_file()} - found
    return sorted(found)


def _hash(parts: list[str]) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]
