"""The process and the device of a job."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch

from mfbench.training.device import choose_device, describe_device


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


def test_a_job_has_its_threads_and_flushes_denormals() -> None:
    code = (
        "import torch; from mfbench.training.device import prepare_process; "
        "prepare_process(threads=1); "
        "print(torch.get_num_threads(), (torch.tensor([1e-39]) * 0.5).item())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["1", "0.0"]
