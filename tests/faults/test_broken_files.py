"""Every file that a stage reads, broken in every way: named and refused, or made anew."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import xarray as xr

from mfbench.files import BrokenFileError, sealed
from mfbench.floors.record import read_floors
from mfbench.tasks.datasets import read_dataset
from tests.faults.conftest import CUBE, RESULTS, numbers, said
from tests.faults.stages import Stages
from tests.workflow.conftest import Project

pytestmark = pytest.mark.faults


def flipped(whole: bytes) -> bytes:
    """The same with one bit in the middle changed."""
    middle = len(whole) // 2
    return whole[:middle] + bytes([whole[middle] ^ 4]) + whole[middle + 1 :]


READ_BY = {
    "datasets/impulse/rho=3.nc": lambda s: (s.evaluate(), s.train(s.results / "new")),
    "floors/impulse/rho=3.nc": lambda s: s.evaluate(),
    "training/rnn/width=4/impulse/rho=3.nc": lambda s: s.evaluate(),
    "training/rnn/width=4/impulse/rho=3.safetensors": lambda s: s.evaluate(),
    "evaluation/rnn/width=4/impulse.nc": lambda s: s.assemble(s.results / "new.nc"),
    "cubes/benchmark.nc": lambda s: s.cube(),
}
# A whole file of mfbench under another's name.
FOREIGN = {
    "datasets/impulse/rho=3.nc": ["datasets/impulse/rho=5.nc", "floors/impulse/rho=3.nc"],
    "floors/impulse/rho=3.nc": ["floors/impulse/rho=5.nc", "datasets/impulse/rho=3.nc"],
    "training/rnn/width=4/impulse/rho=3.nc": [
        "training/rnn/width=4/impulse/rho=5.nc",
        "training/lru/width=4/impulse/rho=3.nc",
        "evaluation/rnn/width=4/impulse.nc",
    ],
    "training/rnn/width=4/impulse/rho=3.safetensors": [
        "training/rnn/width=4/impulse/rho=5.safetensors",
        "training/lru/width=4/impulse/rho=3.safetensors",
        "checkpoints/rnn/width=4/impulse/rho=3/learning_rate=0.01,seed=0.safetensors",
    ],
    "evaluation/rnn/width=4/impulse.nc": [
        "evaluation/lru/width=4/impulse.nc",
        "cubes/benchmark.nc",
    ],
    "cubes/benchmark.nc": ["evaluation/rnn/width=4/impulse.nc"],
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
        ("datasets/impulse/rho=3.nc", {"task": {"seed": 1}}, "made for task.seed = 0, not 1"),
        ("floors/impulse/rho=3.nc", {"task": {"length": 24}}, "task.length = 16, not 24"),
        (
            "training/rnn/width=4/impulse/rho=3.nc",
            {"training": {"steps": 13}},
            "training.steps = 12, not 13",
        ),
        (
            "evaluation/rnn/width=4/impulse.nc",
            {"training": {"optimiser": {"weight_decay": 0.5}}},
            "training.optimiser.weight_decay",
        ),
        (
            "evaluation/rnn/width=4/impulse.nc",
            {"evaluation": {"probes": 8}},
            "evaluation.probes = 16, not 8",
        ),
        ("cubes/benchmark.nc", {"evaluation": {"probes": 8}}, "evaluation.probes = 16, not 8"),
    ],
)
def test_a_file_of_another_study_is_refused(
    name: str, change: dict, message: str, stages: Stages, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The files are those of the tiny study; the study that reads them differs in one number."""
    from tests.faults import stages as module

    def merged(base: dict, changes: dict) -> dict:
        return {
            **base,
            **{
                k: merged(base.get(k, {}), v) if isinstance(v, dict) else v
                for k, v in changes.items()
            },
        }

    changed = merged(module.tiny_study(), change)
    monkeypatch.setattr(module, "tiny_study", lambda: changed)
    path = stages.results / name
    settings = {"kernel": "impulse", "rho": "3", "task": stages.task_settings()}
    # A stage that reads several files would name another one first.
    alone = {"datasets": read_dataset, "floors": read_floors}.get(name.partition("/")[0])
    read = READ_BY[name] if alone is None else (lambda s: alone(path, made_for=settings))
    with pytest.raises(BrokenFileError) as caught:
        read(stages)
    assert str(caught.value).startswith(f"{stages.results / name}: ")
    assert message in str(caught.value)


def test_a_broken_checkpoint_is_named_and_trained_anew(
    stages: Stages, caplog: pytest.LogCaptureFixture
) -> None:
    new = stages.results / "new"
    folder, first = new / "rho=3", stages.train(new).cells["3"]
    path = folder / "learning_rate=0.01,seed=0.safetensors"
    whole = path.read_bytes()
    for change in DAMAGES.values():
        path.write_bytes(change(whole))
        caplog.clear()
        again = stages.train(new).cells["3"]
        assert f"{path} cannot be read" in caplog.text
        assert again.members[0.01, 0].best_error == first.members[0.01, 0].best_error
        sealed(path)
    other = folder / "learning_rate=0.01,seed=1.safetensors"
    shutil.copy(other, path)
    again = stages.train(new).cells["3"]
    assert again.members[0.01, 0].best_error == first.members[0.01, 0].best_error


def test_a_broken_input_is_made_anew_once_it_is_deleted(project: Project, tiny: Path) -> None:
    """What the message says, followed step by step."""
    results = project.folder / RESULTS
    dataset = results / "datasets/impulse/rho=3.nc"
    dataset.write_bytes(flipped(dataset.read_bytes()))
    shutil.rmtree(results / "training/rnn")
    done = project.snakemake(CUBE)
    assert done.returncode != 0
    expected = f"{RESULTS}/datasets/impulse/rho=3.nc: corrupt, its content does not match its seal"
    assert f"{expected}; delete it and run again" in said(done)
    dataset.unlink()
    done = project.snakemake(CUBE)
    assert done.returncode == 0, said(done)
    xr.testing.assert_identical(numbers(project.folder / CUBE), numbers(tiny / CUBE))
    assert project.planned(CUBE) == {}
