"""The process and the device that a job works with."""

from __future__ import annotations

import fcntl
import os
import platform
import tempfile
from itertools import product
from pathlib import Path

import torch

from mfbench.training.allocator import keep_freed_memory

_SLOTS = 64  # of each GPU
# The rest of a GPU's memory is for what CUDA itself keeps, about 0.5 GB in each process.
_USABLE = 0.9
_held: list[int] = []  # open files, whose locks last as long as this process


def prepare_process(*, threads: int) -> None:
    """Set a job up to work with torch; call it before any tensor work.

    Denormals are flushed to zero: they slow down second moments by several times. More than one
    thread does not help small models and collapses when jobs share the cores.
    """
    keep_freed_memory()
    torch.set_num_threads(threads)
    torch.set_flush_denormal(True)
    # TF32 has 10 bits of mantissa: float32 must mean the same on every device.
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cuda.matmul.allow_tf32 = False


def describe_device(device: torch.device) -> str:
    """Kind and name of a device, for the record."""
    if device.type == "cuda":
        return f"cuda: {torch.cuda.get_device_name(device)}"
    return f"{device.type}: {platform.processor() or platform.machine()}"


def choose_device(name: str) -> torch.device:
    """The device of a job, to be asked for once: ``auto`` is a GPU where there is one.

    Raises
    ------
    ValueError
        ``cuda`` is asked for and there is none.
    """
    if name == "cuda" and not torch.cuda.is_available():
        raise ValueError("training.device = 'cuda', but torch finds no GPU here; use auto or cpu")
    if name == "cpu" or not torch.cuda.is_available():
        return torch.device("cpu")
    device = torch.device("cuda", take_gpu(torch.cuda.device_count()))
    torch.cuda.set_device(device)  # streams and graphs follow the current device
    return device


def take_gpu(count: int) -> int:
    """Choose one of some GPUs so that a user's jobs spread evenly over them.

    The process takes the first free slot, those of all GPUs in turn, and holds it until it ends:
    the kernel frees it, whatever ended the process.

    Parameters
    ----------
    count : int
        Number of GPUs that this process sees.

    Returns
    -------
    int
        Number of a GPU, from 0.
    """
    folder = Path(tempfile.gettempdir(), f"mfbench-gpus-{os.getuid()}")
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        for slot, gpu in product(range(_SLOTS), range(count)):
            file = os.open(folder / f"gpu={gpu},slot={slot}", os.O_RDWR | os.O_CREAT, 0o600)
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(file)
            else:
                _held.append(file)
                return gpu
    except OSError:
        pass  # a folder that cannot be written or locked is no reason not to train
    return os.getpid() % count


def memory_share(device: torch.device, jobs_per_gpu: int) -> int | None:
    """Bytes of its GPU's memory that a training job may use; None on a CPU.

    The same under SLURM, where a job has its GPU alone: which members train together must not
    depend on where a job runs.
    """
    if device.type != "cuda":
        return None
    total = torch.cuda.get_device_properties(device).total_memory
    return int(_USABLE * total / jobs_per_gpu)
