"""Steps on a GPU, recorded once as a CUDA graph and replayed without the host's work.

Kernels of small models take less time than Python takes to start them; a graph starts all of a
step at once (https://docs.pytorch.org/docs/stable/notes/cuda.html#cuda-graphs).
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import torch

from mfbench.models.own_code import ArchitectureError

log = logging.getLogger(__name__)

WARM_UP = 3  # steps before the recording, in which libraries allocate what they keep


def replayed(step: Callable[[], None], device: torch.device) -> Callable[[], None]:
    """A step that is replayed on a GPU, after a few that run as they are; on a CPU all do.

    Parameters
    ----------
    step : callable
        Reads and writes tensors at fixed places and never looks at their values.
    device : torch.device
        Where it runs. On a GPU, within `stream_of`.

    Returns
    -------
    callable
        To be called in place of `step`. Where the step cannot be recorded, or draws random numbers
        (which a replay would repeat), the log says why and it runs as it is.
    """
    return _Replayed(step, device) if device.type == "cuda" else step


def stream_of(device: torch.device) -> AbstractContextManager[object]:
    """A stream of its own on a GPU: what runs on the default one cannot be recorded."""
    if device.type != "cuda":
        return nullcontext()
    stream = torch.cuda.Stream(device)
    stream.wait_stream(torch.cuda.current_stream(device))
    return torch.cuda.stream(stream)


def seed_generators(device: torch.device, seed: int) -> None:
    """Seed the generators that a model on a device draws from.

    torch.manual_seed also seeds those of all other devices, and takes a hundred times as long.
    """
    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        torch.cuda.default_generators[device.index or 0].manual_seed(seed)


class _Replayed:
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
            log.warning("the model draws random numbers: its steps are not replayed as a graph")
            return
        graph = torch.cuda.CUDAGraph()
        stream = torch.cuda.current_stream(self._device)
        try:
            with torch.cuda.graph(graph, stream=stream):
                self._step()
        except torch.OutOfMemoryError:
            raise
        except (RuntimeError, ArchitectureError) as error:
            reason = str(error).strip().splitlines()[0]
            log.warning("its steps cannot be replayed as a graph: %s", reason)
            return
        self._graph = graph
