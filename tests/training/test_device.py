"""The process and the device of a job."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from mfbench.training.device import choose_device, describe_device, memory_share, take_gpu


def start(code: str, **environment: str) -> subprocess.Popen[str]:
    """A job that runs some code and waits for a line."""
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", f"{code}; sys.stdout.flush(); sys.stdin.readline()"],
        env={**os.environ, **environment},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_cuda_without_a_gpu_is_refused_and_the_record_names_the_hardware() -> None:
    assert choose_device("cpu") == torch.device("cpu")
    assert describe_device(torch.device("cpu")).startswith("cpu: ")
    if torch.cuda.is_available():
        assert choose_device("auto").type == "cuda"
    else:
        assert choose_device("auto").type == "cpu"
        with pytest.raises(ValueError, match="torch finds no GPU here; use auto or cpu"):
            choose_device("cuda")


def test_a_process_has_its_threads_no_denormals_and_no_tf32_whatever_the_environment_says() -> None:
    job = start(
        "import sys, torch; from mfbench.training.device import prepare_process; "
        "prepare_process(threads=1); "
        "print(torch.get_num_threads(), (torch.tensor([1e-39]) * 0.5).item(), "
        "torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32, "
        "torch.get_float32_matmul_precision())",
        TORCH_ALLOW_TF32_CUBLAS_OVERRIDE="1",
    )
    out, errors = job.communicate("\n")
    assert out.split() == ["1", "0.0", "False", "False", "highest"]
    assert errors == ""


def test_jobs_spread_over_gpus_and_a_killed_job_frees_its_slot(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert take_gpu(2) == 0  # as if another job held it, until this process ends
    job = start(
        "import sys; from mfbench.training.device import take_gpu; print(take_gpu(2))",
        TMPDIR=str(tmp_path),
    )
    assert job.stdout is not None
    assert job.stdout.readline() == "1\n"
    assert take_gpu(2) == 0
    job.kill()
    job.communicate()
    assert take_gpu(2) == 1  # GPU 0 has two jobs, GPU 1 has none


def test_a_job_gets_a_gpu_even_if_all_slots_are_taken_or_the_folder_cannot_be_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = start(
        "import os, sys; from mfbench.training.device import take_gpu; "
        "print([take_gpu(3) for _ in range(192)] == [0, 1, 2] * 64, take_gpu(3) - os.getpid() % 3)",
        TMPDIR=str(tmp_path),
    )
    assert job.communicate("\n")[0].split() == ["True", "0"]
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "other"))
    (tmp_path / "other").mkdir()
    (tmp_path / f"other/mfbench-gpus-{os.getuid()}").touch()  # a file instead of a folder
    assert take_gpu(3) == os.getpid() % 3


def test_a_process_chooses_one_gpu_and_is_bound_to_it(tmp_path: Path) -> None:
    job = start(  # in a process of its own, because the choice lasts
        "import sys, torch; from mfbench.training.device import choose_device; "
        "gpu = torch.cuda; gpu.is_available = lambda: True; gpu.device_count = lambda: 2; "
        "bound = []; gpu.set_device = bound.append; "
        "print([choose_device(name).index for name in ('auto', 'cuda', 'cpu')]); "
        "print([device.index for device in bound])",
        TMPDIR=str(tmp_path),
    )
    out, errors = job.communicate("\n")
    assert out == "[0, 0, None]\n[0, 0]\n", errors
    assert len(list(tmp_path.rglob("gpu=*"))) == 1


def test_jobs_on_a_gpu_share_its_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    total = SimpleNamespace(total_memory=80 * 10**9)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda gpu: total)
    gpu = torch.device("cuda", 1)
    assert memory_share(gpu, 1) == 72 * 10**9
    assert memory_share(gpu, 8) == 9 * 10**9
    assert memory_share(torch.device("cpu"), 8) is None
