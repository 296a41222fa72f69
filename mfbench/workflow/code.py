"""Which code can change the numbers of a stage, and its digest.

A rule carries the digest of its stage as a param, so that its jobs run again when that code
changes. Snakemake's own check, the time of the script's file, is off (profiles/default).
"""

from __future__ import annotations

import ast
import functools
import hashlib
from dataclasses import dataclass
from pathlib import Path

import grimp

from mfbench.study.models import Model
from mfbench.tasks.kernels.lookup import families
from mfbench.tasks.kernels.own import own_kernel

_PACKAGE = Path(__file__).parent.parent


@dataclass(frozen=True)
class Stage:
    """The code of one stage.

    Attributes
    ----------
    root : str
        The module that does the work; the stage reaches it and everything that it imports.
    counts : tuple of str
        Packages and modules that can change the stage's numbers if the stage reaches them.
    after : tuple of str
        Stages whose files it reads; their digests cover the code that makes these files.
    """

    root: str
    counts: tuple[str, ...]
    after: tuple[str, ...] = ()


STAGES = {
    "dataset": Stage("tasks.datasets", ("tasks",)),
    "floors": Stage("floors.netcdf", ("tasks.kernels", "floors")),
    "training": Stage("training.cells", ("models", "training"), ("dataset",)),
    "evaluation": Stage(
        "evaluation.group", ("models", "evaluation"), ("dataset", "floors", "training")
    ),
    "baselines": Stage("baselines.netcdf", ("baselines",), ("dataset", "floors")),
    "cube": Stage("cube.assemble", ("cube",), ("evaluation", "baselines")),
    "pilot": Stage(
        "training.pilot", ("training.pilot", "training.run", "training.status"), ("training",)
    ),
    "refinement": Stage("cube.refinement", ("cube", "tasks.kernels"), ("cube",)),
    "diagnosis": Stage("cube.diagnosis", ("cube", "evaluation", "training.run"), ("cube",)),
    "scoreboard": Stage("predictions.scoreboard", ("predictions", "cube.intervals"), ("cube",)),
}
# Modules that a stage may reach but that cannot change its numbers beyond rounding.
WITHOUT_NUMBERS = (
    "study",
    "files",
    "workflow",
    "words",
    "models.build_all",
    "models.own_code",
    "models.judging",
    "models.promises",
    "models.registry",
    "models.trial",
    "training.allocator",
    "training.checkpoints",
    "training.device",
    "training.memory",
    "cube.read",
)


@functools.cache
def stage_digest(stage: str, *, modules: tuple[str, ...] = ()) -> str:
    """Digest of the code that can change a stage's numbers.

    Comments, docstrings, formatting and the texts of errors and log messages do not count.

    Parameters
    ----------
    stage : str
        One of `STAGES`.
    modules : tuple of str
        Further modules that it loads by name, such as ``predictions.width_growth``.

    Returns
    -------
    str
        The stage and 8 hexadecimal digits.
    """
    declared = STAGES[stage]
    reached = reached_modules(frozenset({declared.root, *modules}))
    counted = [m for m in reached if within(m, declared.counts) and not within(m, WITHOUT_NUMBERS)]
    return f"{stage} code {_digest([_source_of_module(m) for m in counted])}"


def model_digest(model: Model, name: str) -> str:
    """Digest of the code of an architecture.

    Parameters
    ----------
    model : Model
        The architecture, built.
    name : str
        Its name in the study.

    Returns
    -------
    str
        The name and 8 hexadecimal digits.
    """
    modules = [
        m
        for m in reached_modules(frozenset(model.modules))
        if within(m, ("models",)) and not within(m, WITHOUT_NUMBERS)
    ]
    parts = [_source_of_module(m) for m in modules]
    parts += [normalised(file.read_text(encoding="utf-8")) for file in model.files]
    parts += [model.distribution] if model.distribution else []
    return f"model {name} {_digest(parts)}"


@functools.cache
def kernel_digest(family: str, name: str) -> str:
    """Digest of what a kernel consists of.

    Parameters
    ----------
    family : str
        Name of a registered family, or a reference to a file of one's own.
    name : str
        Its name in the study.

    Returns
    -------
    str
        The name and 8 hexadecimal digits.

    Raises
    ------
    ValueError
        The file cannot be loaded.
    """
    own = () if family in families() else own_kernel(family).files
    # A file of one's own may use any registered family.
    used = families() if own else (family,)
    modules = reached_modules(frozenset(f"tasks.kernels.{each}" for each in used))
    parts = [_source_of_module(m) for m in modules if within(m, ("tasks.kernels",))]
    parts += [
        normalised(file.read_text(encoding="utf-8"))
        if file.suffix == ".py"
        else hashlib.sha256(file.read_bytes()).hexdigest()
        for file in own
    ]
    return f"kernel {name} {_digest(parts)}"


def within(module: str, names: tuple[str, ...]) -> bool:
    """Whether a module is one of these, or lies in one of these packages."""
    return any(module == name or module.startswith(f"{name}.") for name in names)


@functools.cache
def reached_modules(roots: frozenset[str]) -> tuple[str, ...]:
    """The roots, all that they import, and the packages that these lie in; without ``mfbench.``."""
    graph, reached, new = _graph(), set[str](), {f"mfbench.{root}" for root in roots}
    while new:
        name = new.pop()
        new |= {parent for parent in [name.rpartition(".")[0]] if parent} - reached
        if name in graph.modules:
            reached.add(name)
            new |= graph.find_modules_directly_imported_by(name) - reached
    return tuple(sorted(name.partition(".")[2] for name in reached - {"mfbench"}))


def normalised(source: str) -> str:
    """Python source without comments, docstrings, formatting and texts of messages.

    The same under every version of Python, whose `ast.unparse` and `ast.dump` are not.
    """
    return _written(_WithoutTexts().visit(ast.parse(source)))


def _written(node: object) -> str:
    """A syntax tree as text, without its empty fields: newer versions of Python have more."""
    if isinstance(node, ast.AST):
        fields = [f"{k}={_written(v)}" for k, v in ast.iter_fields(node) if v not in (None, [])]
        return f"{type(node).__name__}({', '.join(fields)})"
    if isinstance(node, list):
        return f"[{', '.join(map(_written, node))}]"
    return repr(node)


class _WithoutTexts(ast.NodeTransformer):
    """Drops docstrings, what is logged, and what an error says."""

    def visit_Raise(self, node: ast.Raise) -> ast.AST:
        if isinstance(node.exc, ast.Call):
            node.exc = node.exc.func
        return node

    def visit_Pass(self, node: ast.Pass) -> None:
        """Dropped, too, so that a body with only a docstring equals an empty one."""

    def visit_Expr(self, node: ast.Expr) -> ast.AST | None:
        text = isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        call = ast.unparse(node.value.func) if isinstance(node.value, ast.Call) else ""
        spoken = call.startswith(("log.", "warnings."))
        return None if text or spoken else node


@functools.cache
def _graph() -> grimp.ImportGraph:
    return grimp.build_graph("mfbench", cache_dir=None, exclude_type_checking_imports=True)


@functools.cache
def _source_of_module(name: str) -> str:
    path = _PACKAGE.joinpath(*name.split("."))
    file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    return f"{name}\n{normalised(file.read_text(encoding='utf-8'))}"


def _digest(parts: list[str]) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:8]
