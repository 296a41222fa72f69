"""Modules of one's own in a study: whole models in a file, and those of installed packages."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch
import yaml

from mfbench.models.build import build_model
from mfbench.models.registry import locate
from mfbench.study.study import StudyError, read_study
from mfbench.workflow.code import model_digest
from tests.conftest import small_study

MODELS = """
import torch
from torch import nn

class Gated(nn.Module):
    def __init__(self, width, depth: int = 2):
        super().__init__()
        self.inward, self.outward = nn.Linear(1, width), nn.Linear(width, 1)
    def forward(self, x):
        return self.outward(self.inward(x).tanh())

class Fixed(nn.Module):
    def __init__(self):
        super().__init__()
        self.head = nn.Linear(1, 1)
    def forward(self, x):
        raise RuntimeError("Expected x.is_cuda() to be true, but got false.")

def make(width, **options):
    return Gated(width, **options)

class OnGPU(Fixed):
    def __init__(self):
        raise RuntimeError("no CUDA-capable device is detected")
"""


def write_study(folder: Path, text: str) -> Path:
    """A study file with these architectures, which start at line 2."""
    rest = {k: v for k, v in small_study().items() if k not in ("name", "architectures")}
    file = folder / "study.yaml"
    file.write_text(f"name: own\narchitectures:\n{text}{yaml.safe_dump(rest)}")
    return file


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "mine.py").write_text(MODELS)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_whole_models_are_built_without_being_run(folder: Path) -> None:
    text = (
        "  gated: {model: mine.py:Gated, widths: [4, 8], options: {depth: 3}}\n"
        f"  absolute: {{model: '{folder}/mine.py:Gated'}}\n"
        "  made: {model: mine.py:make, options: {depth: 1}}\n"
        "  fixed: {model: mine.py:Fixed}\n"  # runs on a GPU only, which may not be here
    )
    models = read_study(write_study(folder, text)).models
    assert {name: model.settings for name, model in models.items()} == {
        "gated": {"model": "mine.py:Gated", "options": {"depth": 3}},
        "absolute": {"model": f"{folder}/mine.py:Gated", "options": {"depth": 2}},
        "made": {"model": "mine.py:make", "options": {"depth": 1}},
        "fixed": {"model": "mine.py:Fixed", "options": {}},
    }


def test_what_a_whole_model_does_not_take_is_named_with_its_place(folder: Path) -> None:
    text = (
        "  gated:\n"
        "    model: mine.py:Gated\n"
        "    layers: 2\n"
        "    activation: relu\n"
        "    options: {size: 3, depth: [1]}\n"
        "  fixed:\n"
        "    model: mine.py:Fixed\n"
        "    widths: [4, 8]\n"
        "  cuda: {model: mine.py:OnGPU}\n"
    )
    with pytest.raises(StudyError) as caught:
        _ = read_study(write_study(folder, text)).models
    _, *lines = str(caught.value).splitlines()
    shapes = (
        "Gated is a whole model, and this setting shapes the stack around a "
        "mfbench.models.mixer.Mixer; make it an option of the constructor of Gated"
    )
    assert [line.partition("study.yaml:")[2] for line in lines] == [
        f"5:5: architectures.gated.layers: {shapes}",
        f"6:5: architectures.gated.activation: {shapes}",
        "7:15: architectures.gated.options.size: Gated has no such option; it has: depth",
        "7:24: architectures.gated.options.depth: [1]: Input should be a valid integer",
        "10:5: architectures.fixed.widths: its constructor has no argument width: list one width",
        "11:3: architectures.cuda.widths[0]: width 16: RuntimeError: no CUDA-capable device is "
        "detected (mine.py:24)",
    ]


def install(folder: Path, name: str, version: str, points: str) -> None:
    """What pip leaves of a package with the module `gates` and these entry points."""
    package = folder / "gates"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "model.py").write_text("from gates.part import *\n" + MODELS)
    (package / "part.py").write_text("X = 1\n")
    (package / "unused.py").write_text("X = 1\n")
    information = folder / f"{name}-{version}.dist-info"
    information.mkdir()
    (information / "METADATA").write_text(f"Name: {name}\nVersion: {version}\n")
    (information / "entry_points.txt").write_text(f"[mfbench.models]\n{points}")


@pytest.fixture
def packages(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    packages = folder / "site-packages"
    install(packages, "gates", "1.2", "gated = gates.model:Gated\nlstm = gates.model:make\n")
    monkeypatch.syspath_prepend(packages)
    monkeypatch.setenv("PYTHONPATH", str(packages), prepend=":")  # of the process that builds
    yield packages
    for module in [m for m in sys.modules if m.partition(".")[0] == "gates"]:
        del sys.modules[module]


def test_a_package_offers_models_by_entry_points(
    packages: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = write_study(packages.parent, "  gated: {options: {depth: 3}}\n")

    model = read_study(study).models["gated"]
    assert model.settings == {"model": "gated", "options": {"depth": 3}}
    assert model.distribution == "gates 1.2"
    files = [file.relative_to(packages / "gates").as_posix() for file in model.files]
    assert files == ["__init__.py", "model.py", "part.py"]
    assert build_model({"model": "gated"}, width=3, length=8)(torch.zeros(2, 8, 1)).shape[1] == 8
    before = model_digest(model, "gated")
    (packages / "gates" / "part.py").write_text("X = 2\n")
    assert (changed := model_digest(model, "gated")) != before
    (packages / "gates-1.2.dist-info").rename(packages / "gates-1.3.dist-info")
    (packages / "gates-1.3.dist-info" / "METADATA").write_text("Name: gates\nVersion: 1.3\n")
    monkeypatch.syspath_prepend(packages / "new")  # packages are looked up once for each sys.path
    assert model_digest(read_study(study).models["gated"], "gated") != changed


def test_names_that_collide_are_refused(packages: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(
        StudyError, match=r"study.yaml:3:3: architectures.lstm.model: two "
    ) as error:
        read_study(write_study(packages.parent, "  lstm: {}\n"))
    assert (
        "mfbench.models.architectures.lstm:LSTM of mfbench and gates.model:make of gates 1.2"
        in str(error.value)
    )
    install(packages / "other", "others", "0.1", "gated = gates.model:make\n")
    monkeypatch.syspath_prepend(packages / "other")
    with pytest.raises(
        ValueError, match=r"'gated': gates.model:make of others 0.1 and .* gates 1.2"
    ):
        locate("gated")


def test_an_unknown_name_lists_those_of_packages(packages: Path) -> None:
    with pytest.raises(ValueError, match=r"no architecture named 'gate'; choose from .*, gated"):
        locate("gate")
