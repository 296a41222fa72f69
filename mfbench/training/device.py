"""The process and the device that a job works with."""

from __future__ import annotations

import platform

import torch


def prepare_process(*, threads: int) -> None:
    """Set torch up for one training job; call it before any tensor work.

    Denormals are flushed to zero: they slow down second moments by several times. More than one
    thread does not help small models and collapses when jobs share the cores.
    """
    torch.set_num_threads(threads)
    torch.set_flush_denormal(True)


def describe_device(device: torch.device) -> str:
    """Kind and name of a device, for the record."""
    if device.type == "cuda":
        return f"cuda: {torch.cuda.get_device_name(device)}"
    return f"{device.type}: {platform.processor() or platform.machine()}"


def choose_device(name: str) -> torch.device:
    """The device of a job: ``auto`` is the GPU where there is one.

    Raises
    ------
    ValueError
        ``cuda`` is asked for and there is none.
    """
    if name == "cuda" and not torch.cuda.is_available():
        raise ValueError("training.device = 'cuda', but torch finds no GPU here; use auto or cpu")
    use_cuda = name == "cuda" or (name == "auto" and torch.cuda.is_available())
    return torch.device("cuda" if use_cuda else "cpu")
