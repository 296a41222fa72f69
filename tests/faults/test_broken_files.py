"""Every file that a stage reads, broken in every way: named and refused, or made anew."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import xarray as xr

from mfbench.files import BrokenFileError
from tests.faults.conftest import CUBE, RESULTS, numbers
from tests.faults.stages import Stages
from tests.workflow.conftest import Project, said

pytestmark = pytest.mark.faults


def flipped(whole: bytes) -> bytes:
    """The same with one bit in the middle changed."""
    middle = len(whole) // 2
    return whole[:middle] + bytes([whole[middle] ^ 4]) + whole[middle + 1 :]


RNN, LRU = "training/study/rnn/width=4/impulse", "training/study/lru/width=4/impulse"
EVALUATION = "evaluation/study/{}/width=4/impulse.nc"
READ_BY: dict[str, Callable[[Stages], object]] = {
    "datasets/impulse/rho=3.nc": lambda s: (s.evaluate(), s.train(s.results / "new")),
    "floors/impulse/rho=3.nc": lambda s: s.floors(),
    f"{RNN}/part=1.nc": lambda s: s.evaluate(),
    f"{RNN}/part=1.safetensors": lambda s: s.evaluate(),
    EVALUATION.format("rnn"): lambda s: s.assemble(s.results / "new.nc"),
    "baselines/impulse/rho=3.nc": lambda s: s.assemble(s.results / "new.nc"),
    "cubes/benchmark.nc": lambda s: s.cube(),
}
# A whole file of mfbench under another's name.
FOREIGN = {
    "datasets/impulse/rho=3.nc": ["datasets/impulse/rho=5.nc", "floors/impulse/rho=3.nc"],
    "floors/impulse/rho=3.nc": ["floors/impulse/rho=5.nc", "datasets/impulse/rho=3.nc"],
    "baselines/impulse/rho=3.nc": ["baselines/impulse/rho=5.nc", "floors/impulse/rho=3.nc"],
    f"{RNN}/part=1.nc": [f"{RNN}/part=2.nc", f"{LRU}/part=1.nc", EVALUATION.format("rnn")],
    f"{RNN}/part=1.safetensors": [
        f"{RNN}/part=2.safetensors",
        f"{LRU}/part=1.safetensors",
        "checkpoints/rnn/width=4/impulse/rho=3/steps=100,learning_rate=0.01,seed=0.safetensors",
    ],
    EVALUATION.format("rnn"): [EVALUATION.format("lru"), f"{RNN}/part=1.nc", "cubes/benchmark.nc"],
    "cubes/benchmark.nc": [EVALUATION.format("rnn")],
}
DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda whole: b"",
    "cut off": lambda whole: whole[: len(whole) // 2],
    "one bit": flipped,
    "a lost page": lambda whole: whole[:512] + b"\xff" * 512 + whole[1024:],
    "something else": lambda whole: b"<html>404</html>",
}


@pytest.fixture
def stages(tiny: Path, tmp_path: Path) -> Stages:
    shutil.copytree(tiny / RESULTS, tmp_path / "results")
    return Stages(tmp_path / "results")


@pytest.mark.parametrize("name", READ_BY)
def test_a_broken_file_is_refused_by_the_stage_that_reads_it(name: str, stages: Stages) -> None:
    path = stages.results / name
    whole = path.read_bytes()
    READ_BY[name](stages)  # it reads well
    for damage, change in DAMAGES.items():
        path.write_bytes(change(whole))
        with pytest.raises(BrokenFileError) as caught:
            READ_BY[name](stages)
        assert str(caught.value).startswith(f"{path}: "), damage
        assert "delete it and run again" in str(caught.value)


@pytest.mark.parametrize(
    ("name", "other"), [(n, o) for n, others in FOREIGN.items() for o in others]
)
def test_a_file_under_another_name_is_refused(name: str, other: str, stages: Stages) -> None:
    shutil.copy(stages.results / other, stages.results / name)
    with pytest.raises(BrokenFileError) as caught:
        READ_BY[name](stages)
    assert str(caught.value).startswith(f"{stages.results / name}: ")


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("datasets/impulse/rho=3.nc", {"task": {"seed": 1}}, "task.seed = 0, not 1"),
        ("floors/impulse/rho=3.nc", {"task": {"length": 24}}, "task.length = 16, not 24"),
        (f"{RNN}/part=1.nc", {"training": {"steps": [99]}}, "training.steps = [100], not [99]"),
        (
            EVALUATION.format("rnn"),
            {"training": {"optimiser": {"weight_decay": 0.5}}},
            "training.optimiser.weight_decay = 0.0, not 0.5",
        ),
        (
            EVALUATION.format("rnn"),
            {"evaluation": {"probes": 8}},
            "evaluation.probes = 16, not 8",
        ),
        ("cubes/benchmark.nc", {"evaluation": {"probes": 8}}, "evaluation.probes = 16, not 8"),
    ],
)
def test_a_file_of_another_study_is_refused(
    name: str, change: dict[str, Any], message: str, stages: Stages
) -> None:
    """The files are those of the tiny study; the study that reads them differs in one number."""
    for section, changes in change.items():
        stages.settings[section] |= changes
    with pytest.raises(BrokenFileError, match=re.escape(message)) as caught:
        READ_BY[name](stages)
    assert str(caught.value).startswith(f"{stages.results / name}: ")


def test_a_broken_input_is_made_anew_once_it_is_deleted(project: Project, tiny: Path) -> None:
    """What the message says, followed step by step."""
    results = project.folder / RESULTS
    dataset = results / "datasets/impulse/rho=3.nc"
    dataset.write_bytes(flipped(dataset.read_bytes()))
    for kind in ("nc", "safetensors"):
        (results / f"{RNN}/part=1.{kind}").unlink()
    done = project.snakemake(CUBE)
    assert done.returncode != 0
    expected = f"{RESULTS}/datasets/impulse/rho=3.nc: corrupt, its content does not match its seal"
    assert f"{expected}; delete it and run again" in said(done)
    dataset.unlink()
    project.run(CUBE)
    xr.testing.assert_identical(numbers(project.folder / CUBE), numbers(tiny / CUBE))
    assert project.planned(CUBE) == {}
