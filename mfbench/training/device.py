"""Set up the process of a job and choose its device."""

from __future__ import annotations

import fcntl
import os
import platform
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from itertools import product
from pathlib import Path

import torch

from mfbench.training.allocator import keep_freed_memory

_SLOTS = 64  # per GPU
# CUDA itself needs the rest of a GPU's memory, about 0.5 GB in each process.
_USABLE = 0.9
_held: list[int] = []  # open files; their locks last as long as this process


def prepare_process(*, threads: int) -> None:
    """Set up torch for a job; call this before any tensor work.

    Denormals are flushed to zero, because they make AdamW's second moments several times slower.
    More than one thread does not help small models, and is very slow when jobs share cores.
    """
    keep_freed_memory()
    torch.set_num_threads(threads)
    torch.set_flush_denormal(True)
    # TF32 has a mantissa of 10 bits: float32 must mean the same on every device.
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cuda.matmul.allow_tf32 = False


@contextmanager
def prepared(*, threads: int | None = None) -> Iterator[None]:
    """Set up torch as for a job while the block runs, in a process that is not only mfbench's.

    The number of threads stays as it is if none is given. Afterwards, the current GPU is the one
    from before.
    """
    matmul, cudnn = torch.backends.cuda.matmul, torch.backends.cudnn
    before, tf32 = torch.get_num_threads(), (matmul.allow_tf32, cudnn.allow_tf32)
    tiny = torch.full((1,), float(torch.finfo(torch.float32).tiny))
    flushed = not bool(tiny / 2)  # torch has no function that tells
    current = torch.cuda.current_device() if torch.cuda.is_initialized() else 0
    prepare_process(threads=threads or before)
    try:
        yield
    finally:
        matmul.allow_tf32, cudnn.allow_tf32 = tf32
        torch.set_flush_denormal(flushed)
        torch.set_num_threads(before)
        if torch.cuda.is_initialized():
            torch.cuda.set_device(current)


def describe_device(device: torch.device) -> str:
    """Kind and name of a device, for the training record."""
    if device.type == "cuda":
        return f"cuda: {torch.cuda.get_device_name(device)}"
    return f"{device.type}: {platform.processor() or platform.machine()}"


def choose_device(name: str) -> torch.device:
    """Choose the device of a job; ``auto`` means a GPU if torch finds one.

    The first call in a process chooses the GPU, and all later ones return the same.

    Raises
    ------
    ValueError
        ``cuda`` without a GPU.
    """
    if name == "cuda" and not torch.cuda.is_available():
        raise ValueError("training.device is 'cuda', but torch finds no GPU here; use auto or cpu")
    if name == "cpu" or not torch.cuda.is_available():
        return torch.device("cpu")
    device = torch.device("cuda", _own_gpu())
    torch.cuda.set_device(device)  # streams and graphs follow the current device
    return device


@cache
def _own_gpu() -> int:
    """The GPU of this process."""
    return take_gpu(torch.cuda.device_count())


def take_gpu(count: int) -> int:
    """Choose a GPU so that a user's jobs spread evenly over all GPUs.

    Each GPU has numbered slots. The process takes the first free slot, trying the first slots of
    all GPUs before the second ones, and holds it with a file lock until the process ends.

    Parameters
    ----------
    count : int
        Number of visible GPUs.

    Returns
    -------
    int
        Index of a GPU, from 0.
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
        pass  # train even if the folder cannot be written or locked
    return os.getpid() % count


def memory_share(device: torch.device, jobs_per_gpu: int) -> int | None:
    """Bytes of GPU memory that a training job may use; None on a CPU.

    The same under SLURM, where a job has a GPU to itself: where a job runs must not change which
    members train together.
    """
    if device.type != "cuda":
        return None
    total = torch.cuda.get_device_properties(device).total_memory
    return int(_USABLE * total / jobs_per_gpu)
