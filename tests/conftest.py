"""Fixtures that several parts of the package share."""

from __future__ import annotations

import contextlib
import functools
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from mfbench.models.build import STACK
from mfbench.models.build_all import build_all
from mfbench.models.options import is_mixer
from mfbench.models.registry import load_class, locate
from mfbench.study.models import Model
from mfbench.study.study import Study, load_study
from mfbench.workflow.state_sizes import state_sizes

REPOSITORY = Path(__file__).parent.parent


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(params=["cpu"] + ["cuda"] * torch.cuda.is_available())
def device(request: pytest.FixtureRequest) -> torch.device:
    """Each device that there is."""
    return torch.device(request.param)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(20250605)


def small_study() -> dict[str, Any]:
    """A study that is valid and small; tests change what they are about."""
    return {
        "name": "small",
        "task": {"length": 16, "sequences": {"train": 32, "validation": 8, "test": 8}},
        "kernels": {"exponential": {"memory_length": [2, 4]}, "impulse": {"rho": [3]}},
        "architectures": {
            "rnn": {"widths": [4]},
            "s4d": {"widths": [4], "options": {"state": 4}},
        },
        "training": {
            "steps": 12,
            "batch_size": 8,
            "learning_rates": [0.003, 0.01],
            "seeds": [0, 1],
            "validations": 4,
        },
        "evaluation": {"probes": 16},
    }


def built_here(study: Study) -> Study:
    """The study, its models built in this process: another would import torch for seconds."""
    if "models" not in vars(study):
        answers = {
            name: build_all(entry.entry(study.task.length, d_in=study.task.channels))
            for name, entry in study.architectures.items()
        }
        assert not any(problems for *_, problems in answers.values()), answers
        models = {name: Model(*found, (), ()) for name, (*found, _) in answers.items()}
        vars(study)["models"] = models
    return study


@functools.cache
def _known_models() -> Path:
    with contextlib.chdir(REPOSITORY):
        state_sizes(load_study(small_study()))  # builds the models, too
    return REPOSITORY / ".snakemake/mfbench"


def know_models(folder: Path) -> None:
    """Put models that were built before into a folder of tests; those of the small study are."""
    known = folder / ".snakemake/mfbench"
    shutil.copytree(_known_models(), known, ignore=shutil.ignore_patterns("*.tmp"))


@pytest.fixture
def study() -> dict[str, Any]:
    return small_study()


def architecture_settings(reference: str, **changes: Any) -> dict[str, Any]:
    """Resolved settings of an architecture with its own defaults but for the changes."""
    own = load_class(locate(reference))
    stack = {key: getattr(own, key) for key in STACK} if is_mixer(own) else {}
    options = changes.pop("options", {})
    if not stack:  # a whole model
        changes = {key: value for key, value in changes.items() if key not in STACK}
    return {"model": reference, **stack, **changes, "options": options}


def write_architecture(folder: Path, forward: str, *, init: str = "pass") -> str:
    """Reference of an architecture of a user's own, with these lines in forward and __init__."""
    file = folder / "own.py"
    file.write_text(
        "import torch\n"
        "from mfbench.models.mixer import Mixer\n"
        "class Own(Mixer):\n"
        "    def __init__(self, width, layer, length):\n"
        "        super().__init__()\n"
        f"        {init}\n"
        "    def forward(self, u):\n"
        f"        {forward}\n"
    )
    return f"{file}:Own"


@pytest.fixture
def settings_of() -> Callable[..., dict[str, Any]]:
    return architecture_settings


@pytest.fixture(scope="session")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The results of a small study, which all tests share."""
    from tests.api.results import make_results

    folder = tmp_path_factory.mktemp("study") / "results" / "small"
    make_results(folder)
    return folder
