"""Count the GPUs of this machine and a training job's share of them, without importing torch."""

from __future__ import annotations

import importlib.util
import os
import re
from itertools import takewhile
from pathlib import Path

from mfbench.study.training import TrainingSettings

# Stands for all GPUs of a machine, as in profiles/default/config.yaml; large for exact shares.
GPU_SLOTS = 1_000_000
_NO_GPU = ("", "-1", "NoDevFiles")  # in CUDA_VISIBLE_DEVICES; CUDA ignores entries after these


def visible_gpus(*, devices: str | Path = "/dev") -> int:
    """Number of GPUs that torch can use here, given the folder of device files."""
    if not _torch_is_built_for_gpus():
        return 0
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is None:
        return len(list(Path(devices).glob("nvidia[0-9]*")))
    return len(list(takewhile(lambda entry: entry.strip() not in _NO_GPU, visible.split(","))))


def gpus_for(device: str) -> int:
    """Number of GPUs that a training job requests: with ``auto``, one if this machine has any."""
    if device == "auto":
        return int(visible_gpus() > 0)
    return int(device == "cuda")


def gpu_slots(training: TrainingSettings) -> int:
    """Share of `GPU_SLOTS` that a training job takes, so that `jobs_per_gpu` jobs fit on a GPU."""
    if not gpus_for(training.device):
        return 0
    return max(1, GPU_SLOTS // (max(1, visible_gpus()) * training.jobs_per_gpu))


def _torch_is_built_for_gpus() -> bool:
    spec = importlib.util.find_spec("torch")
    if spec is None or spec.origin is None:
        return False
    version = Path(spec.origin).with_name("version.py").read_text(encoding="utf-8")
    return re.search(r"^(cuda|hip)\b.*=\s*['\"]", version, re.MULTILINE) is not None
