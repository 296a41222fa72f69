"""The process and the device of a job."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from mfbench.training import device
from mfbench.training.device import choose_device, describe_device, memory_share, take_gpu


def test_cuda_without_a_gpu_is_refused() -> None:
    assert choose_device("cpu") == torch.device("cpu")
    if torch.cuda.is_available():
        assert choose_device("auto").type == "cuda"
    else:
        assert choose_device("auto").type == "cpu"
        with pytest.raises(ValueError, match="torch finds no GPU here; use auto or cpu"):
            choose_device("cuda")


def test_the_record_names_the_hardware() -> None:
    assert describe_device(torch.device("cpu")).startswith("cpu: ")


def test_prepare_process_sets_threads_and_flushes_denormals() -> None:
    code = (
        "import torch; from mfbench.training.device import prepare_process; "
        "prepare_process(threads=1); "
        "print(torch.get_num_threads(), (torch.tensor([1e-39]) * 0.5).item())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["1", "0.0"]


@pytest.mark.parametrize("override", ["0", "1"])
def test_tf32_is_off_even_if_the_environment_enables_it(override: str) -> None:
    code = (
        "import torch; from mfbench.training.device import prepare_process; "
        "prepare_process(threads=1); "
        "print(torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32, "
        "torch.get_float32_matmul_precision())"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        env={**os.environ, "TORCH_ALLOW_TF32_CUBLAS_OVERRIDE": override},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == ["False", "False", "highest"]
    assert done.stderr == ""


Start = Callable[[], tuple[subprocess.Popen[str], int]]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start a job that takes one of two GPUs and keeps it; returns the job and its GPU."""
    jobs: list[subprocess.Popen[str]] = []
    code = (
        "import time; from mfbench.training.device import take_gpu; "
        "print(take_gpu(2), flush=True); time.sleep(600)"
    )

    def begin() -> tuple[subprocess.Popen[str], int]:
        job = subprocess.Popen(
            [sys.executable, "-c", code],
            env={**os.environ, "TMPDIR": str(tmp_path)},
            stdout=subprocess.PIPE,
            text=True,
        )
        jobs.append(job)
        assert job.stdout is not None
        return job, int(job.stdout.readline())

    yield begin
    for job in jobs:
        job.kill()
        job.communicate()


def test_jobs_spread_over_gpus_and_a_killed_job_frees_its_slot(start: Start) -> None:
    (_, first), (job, second), (_, third) = start(), start(), start()
    assert (first, second, third) == (0, 1, 0)
    job.kill()
    job.wait()
    _, fourth = start()  # GPU 0 has two jobs, GPU 1 has none
    assert fourth == 1


@contextmanager
def slots(folder: Path, monkeypatch: pytest.MonkeyPatch, *, each: int) -> Iterator[None]:
    """Use a separate folder with `each` slots per GPU, and free all slots afterwards."""
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    monkeypatch.setattr(device, "_SLOTS", each)
    monkeypatch.setattr(device, "_held", held := [])
    yield
    for file in held:
        os.close(file)


def test_a_job_gets_a_gpu_even_if_all_slots_are_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with slots(tmp_path, monkeypatch, each=2):
        assert [take_gpu(3) for _ in range(6)] == [0, 1, 2, 0, 1, 2]
        assert take_gpu(3) == os.getpid() % 3


def test_a_job_gets_a_gpu_even_if_the_folder_cannot_be_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / f"mfbench-gpus-{os.getuid()}").touch()  # a file instead of a folder
    with slots(tmp_path, monkeypatch, each=2):
        assert take_gpu(3) == os.getpid() % 3


def test_a_job_is_bound_to_its_gpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bound: list[torch.device] = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "set_device", bound.append)
    with slots(tmp_path, monkeypatch, each=2):
        chosen = [choose_device("auto"), choose_device("cuda")]
    assert chosen == bound == [torch.device("cuda", 0), torch.device("cuda", 1)]
    assert choose_device("cpu") == torch.device("cpu")


def test_jobs_on_a_gpu_share_its_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    total = SimpleNamespace(total_memory=80 * 10**9)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda gpu: total)
    gpu = torch.device("cuda", 1)
    assert memory_share(gpu, 1) == 72 * 10**9
    assert memory_share(gpu, 8) == 9 * 10**9
    assert memory_share(torch.device("cpu"), 8) is None
