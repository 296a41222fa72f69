"""Record a step on a GPU as a CUDA graph and replay it.

Kernels of small models run faster than Python can launch them; a graph launches all kernels of a
step at once (https://docs.pytorch.org/docs/stable/notes/cuda.html#cuda-graphs).
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import torch

from mfbench.models.own_code import ArchitectureError

log = logging.getLogger(__name__)

WARM_UP = 3  # steps before the recording, in which libraries allocate their workspaces


def replayed(step: Callable[[], None], device: torch.device) -> Callable[[], None] | Replayed:
    """Wrap a step so that a GPU replays it after a few normal calls; a CPU always runs it normally.

    Parameters
    ----------
    step : callable
        Reads and writes tensors at fixed addresses and never reads their values on the host.
    device : torch.device
        Device of the step. On a GPU, call the wrapped step within `stream_of`.

    Returns
    -------
    callable
        Replacement for `step`. If the step cannot be recorded, or draws random numbers (which a
        replay would repeat), it keeps running normally and the log says why.
    """
    return Replayed(step, device) if device.type == "cuda" else step


def stream_of(device: torch.device) -> AbstractContextManager[object]:
    """Enter a new stream on a GPU, because work on the default stream cannot be recorded."""
    if device.type != "cuda":
        return nullcontext()
    stream = torch.cuda.Stream(device)
    stream.wait_stream(torch.cuda.current_stream(device))
    return torch.cuda.stream(stream)


def seed_generators(device: torch.device, seed: int) -> None:
    """Seed the generators that a model on this device draws from.

    A hundred times faster than torch.manual_seed, which seeds all other devices too.
    """
    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        torch.cuda.default_generators[device.index or 0].manual_seed(seed)


class Replayed:
    """A step on a GPU that is recorded after `WARM_UP` normal calls and then replayed.

    Attributes
    ----------
    reason : str
        Why it cannot be recorded; empty if it is, or before it is tried.
    """

    reason = ""

    def __init__(self, step: Callable[[], None], device: torch.device) -> None:
        self._step, self._device = step, device
        self._graph: torch.cuda.CUDAGraph | None = None
        self._warm_up, self._draws = WARM_UP, False

    def __call__(self) -> None:
        if self._graph is not None:
            self._graph.replay()
            return
        if self._warm_up == 0:
            self._step()
            return
        before = self._generators()
        self._step()
        self._draws |= any(
            not torch.equal(a, b) for a, b in zip(before, self._generators(), strict=True)
        )
        self._warm_up -= 1
        if self._warm_up == 0:
            self._record()

    def _generators(self) -> tuple[torch.Tensor, torch.Tensor]:
        return torch.get_rng_state(), torch.cuda.get_rng_state(self._device)

    def _record(self) -> None:
        if self._draws:
            self._run_normally("the model draws random numbers")
            return
        graph = torch.cuda.CUDAGraph()
        stream = torch.cuda.current_stream(self._device)
        try:
            with torch.cuda.graph(graph, stream=stream):
                self._step()
        except torch.OutOfMemoryError:
            raise
        except (RuntimeError, ArchitectureError) as error:
            self._run_normally(str(error).strip().splitlines()[0])
            return
        self._graph = graph

    def _run_normally(self, reason: str) -> None:
        self.reason = reason
        log.warning("no CUDA graph, each step runs normally: %s", reason)
