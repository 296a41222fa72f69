"""The GPUs of this machine, and what a training job asks of them; torch is not imported for it."""

from __future__ import annotations

import importlib.util
import os
import re
from itertools import takewhile
from pathlib import Path

from mfbench.study.training import TrainingSettings

# All GPUs of a machine, as in profiles/default/config.yaml; large, so that shares are exact.
GPU_SLOTS = 1_000_000
_DEVICES = Path("/dev")
_NO_GPU = ("", "-1", "NoDevFiles")  # in CUDA_VISIBLE_DEVICES; CUDA ignores what comes after it


def visible_gpus() -> int:
    """Number of GPUs that torch can use here."""
    if not _torch_is_built_for_gpus():
        return 0
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is None:
        return len(list(_DEVICES.glob("nvidia[0-9]*")))
    return len(list(takewhile(lambda entry: entry.strip() not in _NO_GPU, visible.split(","))))


def gpus_for(device: str) -> int:
    """GPUs that a training job asks for; ``auto`` asks for one where this machine has one."""
    if device == "auto":
        return int(visible_gpus() > 0)
    return int(device == "cuda")


def gpu_slots(training: TrainingSettings) -> int:
    """Share of `GPU_SLOTS` that a training job takes: `jobs_per_gpu` jobs fit on each GPU."""
    if not gpus_for(training.device):
        return 0
    return max(1, GPU_SLOTS // (max(1, visible_gpus()) * training.jobs_per_gpu))


def _torch_is_built_for_gpus() -> bool:
    spec = importlib.util.find_spec("torch")
    if spec is None or spec.origin is None:
        return False
    version = Path(spec.origin).with_name("version.py").read_text(encoding="utf-8")
    return re.search(r"^(cuda|hip)\b.*=\s*['\"]", version, re.MULTILINE) is not None
