"""Which code counts for which stage: the declaration against the import graph."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mfbench.tasks.kernels.own import own_kernel
from mfbench.workflow.code import (
    STAGES,
    WITHOUT_NUMBERS,
    kernel_digest,
    model_digest,
    normalised,
    reached_modules,
    stage_digest,
    within,
)
from tests.conftest import REPOSITORY
from tests.tasks.kernels.own import write_family

SCRIPTS = REPOSITORY / "workflow_scripts"


def packages_of(module: str) -> tuple[str, ...]:
    parts = module.split(".")
    return tuple(".".join(parts[:i]) for i in range(1, len(parts)))


@pytest.mark.parametrize("stage", STAGES)
def test_every_module_that_a_stage_reaches_is_declared(stage: str) -> None:
    """A module that is in no list needs a decision: can it change the stage's numbers?"""
    declared = STAGES[stage]
    before = list(declared.after)
    for name in before:
        before += STAGES[name].after
    counts = declared.counts + sum((STAGES[name].counts for name in before), ())
    undecided = [
        module
        for module in reached_modules(frozenset({declared.root}))
        if not within(module, counts)
        and not within(module, WITHOUT_NUMBERS)
        # The package of a module that counts runs with it, and holds nothing of its own.
        and not any(within(other, (module,)) for other in counts)
    ]
    assert undecided == []


def test_what_is_declared_exists() -> None:
    names = {name for stage in STAGES.values() for name in (stage.root, *stage.counts)}
    for name in names | set(WITHOUT_NUMBERS):
        path = REPOSITORY.joinpath("mfbench", *name.split("."))
        assert path.is_dir() or path.with_suffix(".py").is_file(), name


def test_texts_do_not_count() -> None:
    one = '''"""Doc."""
def f(x):
    """Doc."""
    log.info("so %s", x)
    if x < 0:
        raise ValueError(f"{x} is negative")
    return {"a": x}  # why
'''
    other = """
def f( x ) :
    pass
    log.info('otherwise')
    if x < 0: raise ValueError("no")
    return {'a' : x}
"""
    assert normalised(one) == normalised(other.replace("    pass\n", "    'Text.'\n"))
    assert normalised(other) != normalised(other.replace("'a'", "'b'"))
    assert normalised(other) != normalised(other.replace("ValueError", "KeyError"))


def test_an_architecture_reaches_its_own_file_and_what_that_uses() -> None:
    reached = reached_modules(frozenset({"models.transformer"}))
    assert "models.positions" in reached
    assert "models.convolution" not in reached


def test_stages_and_architectures_have_digests_of_their_own(tmp_path: Path) -> None:
    digests = [stage_digest(stage) for stage in STAGES]
    digests += [
        model_digest(name, "same", cache=str(tmp_path)) for name in ("rnn", "gru", "lru", "s4d")
    ]
    digests += [kernel_digest(name, "same") for name in ("airy", "impulse")]
    assert len(set(digests)) == len(digests)


def digest_of(reference: str, cache: Path) -> str:
    model_digest.cache_clear()
    return model_digest(reference, "own", cache=str(cache))


MODEL = """
import importlib
import near
from kit.part import Y
from mfbench.models.tcn import TCN
Z = importlib.import_module("kit.named").Z
class Own(TCN):
    pass
"""


def test_a_users_file_counts_with_all_that_it_loads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # as in a project: Snakemake runs above the file
    files = {
        "own.py": MODEL,
        "near.py": "X = 1\n",
        "far.py": "X = 1\n",
        "kit/__init__.py": "",
        "kit/part.py": "from . import deep\nY = deep.Y\n",
        "kit/deep.py": "Y = 1\n",
        "kit/named.py": "Z = 1\n",
        "kit/unused.py": "X = 1\n",
    }
    for name, text in files.items():
        file = tmp_path / "mine" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    reference, cache = "mine/own.py:Own", tmp_path / "cache"
    before = digest_of(reference, cache)
    for name in ("far.py", "kit/unused.py"):
        (tmp_path / "mine" / name).write_text("X = 2\n")
        assert digest_of(reference, cache) == before
    (tmp_path / "mine/near.py").write_text("X = 1  # one\n")
    assert digest_of(reference, cache) == before
    for name in ("near.py", "kit/deep.py", "kit/named.py", "own.py"):
        file = tmp_path / "mine" / name
        text = file.read_text()
        file.write_text(text + "W = 3\n")
        assert digest_of(reference, cache) != before, name
        file.write_text(text)
        assert digest_of(reference, cache) == before, name


@pytest.mark.parametrize("text", ["import nowhere_to_be_found\n", "raise SystemExit(3)\n"])
def test_a_users_file_that_cannot_be_imported_counts_itself(tmp_path: Path, text: str) -> None:
    file = tmp_path / "own.py"
    file.write_text(text + "class Own:\n    pass\n")
    before = digest_of(f"{file}:Own", tmp_path / "cache")
    file.write_text(file.read_text() + "X = 1\n")
    assert digest_of(f"{file}:Own", tmp_path / "cache") != before


def test_a_kernel_counts_with_all_that_it_consists_of(tmp_path: Path) -> None:
    def digest(family: str) -> str:
        own_kernel.cache_clear()
        kernel_digest.cache_clear()
        return kernel_digest(family, "own")

    (tmp_path / "near.py").write_text("X = 1\n")
    family = write_family(tmp_path / "own.py", "rho**lag", imports="import near")
    before = digest(family)
    (tmp_path / "near.py").write_text("X = 1  # one\n")
    assert digest(family) == before
    (tmp_path / "near.py").write_text("X = 1\nY = 22\n")
    assert digest(family) != before
    values = str(tmp_path / "own.npy")
    np.save(values, np.array([1.0, 2.0]))
    before = digest(values)
    np.save(values, np.array([1.0, 2.1]))
    assert digest(values) != before


@pytest.mark.parametrize("script", sorted(SCRIPTS.glob("*.py")), ids=lambda p: p.stem)
def test_scripts_are_thin_and_never_read_the_global_config(script: Path) -> None:
    text = script.read_text()
    assert "snakemake.config" not in text
    assert "def " not in text  # logic lives in the package
