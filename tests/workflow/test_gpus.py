"""How many GPUs there are, without torch, and what a training job asks of them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from mfbench.study.training import TrainingSettings
from mfbench.workflow import gpus
from mfbench.workflow.gpus import GPU_SLOTS, gpu_slots, gpus_for, visible_gpus
from tests.conftest import REPOSITORY

CPU = "debug = False\ncuda: Optional[str] = None\nhip: Optional[str] = None\n"
CUDA = "debug = False\ncuda: Optional[str] = '13.0'\nhip: Optional[str] = None\n"
HIP = "cuda = None\nhip = '6.4'\n"


class Machine:
    """Device files and a build of torch."""

    def __init__(self, folder: Path) -> None:
        self.devices = folder / "dev"
        self.devices.mkdir()
        self.torch = folder / "torch"
        self.torch.mkdir()
        (self.torch / "__init__.py").write_text("raise ImportError('torch was imported')")

    def build(self, version: str) -> None:
        (self.torch / "version.py").write_text(version)

    def add(self, *names: str) -> None:
        for name in names:
            (self.devices / name).touch()


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """A machine with the CUDA build of torch, to which GPUs can be added."""
    made = Machine(tmp_path)
    made.build(CUDA)
    monkeypatch.setattr(gpus, "_DEVICES", made.devices)
    monkeypatch.delitem(sys.modules, "torch")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    return made


def test_gpus_follow_the_device(machine: Machine) -> None:
    assert gpus_for("auto") == 0
    machine.add("nvidiactl", "nvidia-caps")  # the driver alone is no GPU
    assert gpus_for("auto") == 0
    machine.add("nvidia0", "nvidia1")
    assert visible_gpus() == 2
    assert gpus_for("auto") == 1
    assert gpus_for("cpu") == 0
    assert gpus_for("cuda") == 1


@pytest.mark.parametrize(("version", "count"), [(CPU, 0), (CUDA, 2), (HIP, 2)])
def test_a_gpu_that_torch_is_not_built_for_is_none(
    machine: Machine, version: str, count: int
) -> None:
    machine.add("nvidia0", "nvidia1")
    machine.build(version)
    assert visible_gpus() == count


@pytest.mark.parametrize(
    ("visible", "count"),
    [
        ("", 0),
        ("-1", 0),
        ("NoDevFiles", 0),
        ("1", 1),
        ("0,1,2", 3),
        ("GPU-8932f937,MIG-4b1a", 2),
        ("0,-1,1", 1),
    ],
)
def test_the_environment_says_which_gpus_there_are(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, visible: str, count: int
) -> None:
    machine.add("nvidia0", "nvidia1", "nvidia2", "nvidia3")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert visible_gpus() == count
    assert gpus_for("auto") == min(count, 1)


def test_the_installed_torch_is_judged_as_torch_itself_does() -> None:
    code = (
        "import sys; from mfbench.workflow.gpus import _torch_is_built_for_gpus as built; "
        "found = built(); assert 'torch' not in sys.modules; "
        "import torch; print(found, (torch.version.cuda or torch.version.hip) is not None)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert len(set(done.stdout.split())) == 1


@pytest.mark.parametrize("count", [1, 2, 3, 8])
@pytest.mark.parametrize("jobs", [1, 3, 8])
def test_as_many_jobs_fit_on_the_gpus_as_the_study_says(
    machine: Machine, count: int, jobs: int
) -> None:
    machine.add(*(f"nvidia{i}" for i in range(count)))
    share = gpu_slots(TrainingSettings(jobs_per_gpu=jobs))
    assert GPU_SLOTS // share == count * jobs
    assert gpu_slots(TrainingSettings(jobs_per_gpu=jobs, device="cpu")) == 0


def test_training_on_a_cpu_takes_no_share(machine: Machine) -> None:
    assert gpu_slots(TrainingSettings(device="auto")) == 0
    # Another machine has the GPU that the study asks for.
    assert GPU_SLOTS // gpu_slots(TrainingSettings(device="cuda")) == 8


def test_the_default_profile_has_all_shares() -> None:
    profile = yaml.safe_load((REPOSITORY / "profiles/default/config.yaml").read_text())
    assert profile["resources"] == {"gpu_slots": GPU_SLOTS}
