"""How many GPUs there are, without torch, and what a training job asks of them."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
import yaml

from mfbench.study.training import TrainingSettings
from mfbench.workflow.gpus import GPU_SLOTS, gpu_slots, gpus_for, visible_gpus
from tests.conftest import REPOSITORY


@pytest.fixture
def devices(tmp_path, monkeypatch):  # type: ignore[no-untyped-def]
    """Make a folder of device files, beside a build of torch that nobody may import."""
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.delitem(sys.modules, "torch")
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "torch").mkdir()
    (tmp_path / "torch/__init__.py").write_text("raise ImportError('torch was imported')")

    def make(*names: str, cuda: str | None = "'13.0'", hip: str | None = None):  # type: ignore[no-untyped-def]
        version = f"cuda: Optional[str] = {cuda}\nhip: Optional[str] = {hip}\n"
        (tmp_path / "torch/version.py").write_text(version)
        (tmp_path / "dev").mkdir()
        for name in names:
            (tmp_path / "dev" / name).touch()
        return tmp_path / "dev"

    return make


@pytest.mark.parametrize(
    ("names", "build", "visible", "count"),
    [
        ([], {}, None, 0),
        (["nvidiactl", "nvidia-caps"], {}, None, 0),  # the driver alone is no GPU
        (["nvidiactl", "nvidia0", "nvidia1"], {}, None, 2),
        (["nvidia0", "nvidia1"], {"cuda": None}, None, 0),  # torch is built for CPUs
        (["nvidia0", "nvidia1"], {"cuda": None, "hip": "'6.4'"}, None, 2),
        (["nvidia0", "nvidia1"], {}, "", 0),
        (["nvidia0", "nvidia1"], {}, "-1", 0),
        (["nvidia0", "nvidia1"], {}, "NoDevFiles", 0),
        (["nvidia0", "nvidia1"], {}, "1", 1),
        (["nvidia0", "nvidia1"], {}, "0,1,2", 3),
        (["nvidia0", "nvidia1"], {}, "GPU-8932f937,MIG-4b1a", 2),
        (["nvidia0", "nvidia1"], {}, "0,-1,1", 1),
    ],
)
def test_gpus_are_those_that_torch_can_use(
    devices,  # type: ignore[no-untyped-def]
    monkeypatch: pytest.MonkeyPatch,
    names: list[str],
    build: dict[str, str | None],
    visible: str | None,
    count: int,
) -> None:
    folder = devices(*names, **build)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert visible_gpus(devices=folder) == count


def test_the_installed_torch_is_judged_as_torch_itself_does() -> None:
    code = (
        "import sys; from mfbench.workflow.gpus import visible_gpus as count; found = count(); "
        "assert 'torch' not in sys.modules; print(found)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=REPOSITORY,
        env={"CUDA_VISIBLE_DEVICES": "0,1"},
    )
    built = (torch.version.cuda or torch.version.hip) is not None
    assert int(done.stdout) == (2 if built else 0)


@pytest.mark.parametrize("count", [1, 2, 3, 8])
@pytest.mark.parametrize("jobs", [1, 3, 8])
def test_as_many_jobs_fit_on_the_gpus_as_the_study_says(
    monkeypatch: pytest.MonkeyPatch,
    devices,  # type: ignore[no-untyped-def]
    count: int,
    jobs: int,
) -> None:
    devices()
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", ",".join(map(str, range(count))))
    assert GPU_SLOTS // gpu_slots(TrainingSettings(jobs_per_gpu=jobs)) == count * jobs
    assert gpu_slots(TrainingSettings(jobs_per_gpu=jobs, device="cpu")) == 0
    assert (gpus_for("auto"), gpus_for("cpu"), gpus_for("cuda")) == (1, 0, 1)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert (gpus_for("auto"), gpus_for("cpu"), gpus_for("cuda")) == (0, 0, 1)
    assert gpu_slots(TrainingSettings(jobs_per_gpu=jobs)) == 0
    # Another machine has the GPU that the study asks for.
    assert GPU_SLOTS // gpu_slots(TrainingSettings(jobs_per_gpu=jobs, device="cuda")) == jobs


def test_the_default_profile_has_all_shares() -> None:
    profile = yaml.safe_load((REPOSITORY / "profiles/default/config.yaml").read_text())
    assert profile["resources"] == {"gpu_slots": GPU_SLOTS}
