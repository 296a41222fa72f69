"""Which code counts for which stage: the declaration against the import graph."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mfbench.study.study import load_study
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
from tests.conftest import REPOSITORY, small_study
from tests.tasks.kernels.own import write_family


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


def test_every_version_of_python_gives_the_same_digests() -> None:
    source = "def f(x: int = None):\n    return f\"{x['a']}\""
    assert normalised(source) == (
        "Module(body=[FunctionDef(name='f', args=arguments(args=[arg(arg='x', annotation=Name("
        "id='int', ctx=Load()))], defaults=[Constant()]), body=[Return(value=JoinedStr(values=["
        "FormattedValue(value=Subscript(value=Name(id='x', ctx=Load()), slice=Constant(value='a'), "
        "ctx=Load()), conversion=-1)]))])])"
    )


def test_an_architecture_reaches_its_own_file_and_what_that_uses() -> None:
    reached = reached_modules(frozenset({"models.architectures.transformer"}))
    assert "models.positions" in reached
    assert "models.convolution" not in reached


def test_stages_and_architectures_have_digests_of_their_own() -> None:
    digests = [stage_digest(stage) for stage in STAGES]
    study = small_study()
    study["architectures"] = {name: {"widths": [4]} for name in ("rnn", "gru", "lru", "s4d")}
    digests += [model_digest(model, "same") for model in load_study(study).models.values()]
    digests += [kernel_digest(name, "same") for name in ("airy", "impulse")]
    assert len(set(digests)) == len(digests)


MODEL = """
import importlib
import near
from kit.part import Y
from mfbench.models.architectures.tcn import TCN
Z = importlib.import_module("kit.named").Z
class Own(TCN):
    pass
"""


FILES = {
    "own.py": MODEL,
    "near.py": "X = 1\n",
    "far.py": "X = 1\n",
    "kit/__init__.py": "",
    "kit/part.py": "from . import deep\nY = deep.Y\n",
    "kit/deep.py": "Y = 1\n",
    "kit/named.py": "Z = 1\n",
    "kit/unused.py": "X = 1\n",
}


def test_a_users_file_counts_with_all_that_it_loads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # as in a project: Snakemake runs above the file
    for name, text in FILES.items():
        file = tmp_path / "mine" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    architecture = {"model": "mine/own.py:Own", "widths": [4]}
    model = load_study(small_study() | {"architectures": {"own": architecture}}).models["own"]
    loaded = {file.relative_to(tmp_path / "mine").as_posix() for file in model.files}
    assert loaded == FILES.keys() - {"far.py", "kit/unused.py"}
    before = model_digest(model, "own")
    (tmp_path / "mine/near.py").write_text("X = 1  # one\n")
    assert model_digest(model, "own") == before
    for name in loaded:
        (tmp_path / "mine" / name).write_text(FILES[name] + "W = 3\n")
        before, changed = model_digest(model, "own"), before
        assert before != changed, name


def test_a_kernel_counts_with_all_that_it_consists_of(tmp_path: Path) -> None:
    def digest(family: str) -> str:
        own_kernel.cache_clear()
        kernel_digest.cache_clear()
        return kernel_digest(family, "own")

    (tmp_path / "part_of_own.py").write_text("X = 1\n")
    family = write_family(tmp_path / "own.py", "rho**lag", imports="import part_of_own")
    before = digest(family)
    (tmp_path / "part_of_own.py").write_text("X = 1  # one\n")
    assert digest(family) == before
    (tmp_path / "part_of_own.py").write_text("X = 1\nY = 22\n")
    assert digest(family) != before
    values = str(tmp_path / "own.npy")
    np.save(values, np.array([1.0, 2.0]))
    before = digest(values)
    np.save(values, np.array([1.0, 2.1]))
    assert digest(values) != before
