"""A GPU: steps replayed as a CUDA graph against eager ones, and memory against its estimate."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Iterator
from functools import partial

import torch

from benchmarks.table import Options, Row, architectures, in_turns, over
from benchmarks.trainers import advance, make_trainer, settings_of, training_data
from mfbench.training.capture import stream_of
from mfbench.training.device import choose_device
from mfbench.training.memory import reserved_bytes, step_bytes
from mfbench.training.trainer import Trainer

SIZES = ((128, 16, 16), (256, 32, 64))  # T, width, batch
MEMBERS = (1, 16, 128, 512)
STEPS = 20_000  # few enough for the losses of many members


def rows(options: Options) -> Iterator[Row]:
    """Each size, architecture and number of members; without a GPU, only the code is tried."""
    device = choose_device("auto")
    sizes, counts = (SIZES[:1], MEMBERS[:2]) if options.quick else (SIZES, MEMBERS)
    for T, width, batch in sizes:
        data, settings = training_data(length=T, device=device), settings_of(batch, steps=STEPS)
        for name, architecture in architectures().items():
            with stream_of(device):
                needed = step_bytes(architecture, data, width=width, settings=settings)
                for M in counts:
                    make = partial(make_trainer, architecture, data, width=width, settings=settings)
                    what = f"{name}, T {T}, width {width}, batch {batch}, M = {M}"
                    try:
                        yield compared(what, make, M, needed, options)
                    except torch.OutOfMemoryError:
                        print(f"{what}: out of memory", flush=True)


def compared(
    what: str, make: Callable[..., Trainer], members: int, needed: int, options: Options
) -> Row:
    """Speed of replayed steps over that of eager ones, and the peak of the reserved memory."""
    gc.collect()
    if torch.cuda.is_initialized():
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    trainer = make(members=members)
    advance(trainer, 5)  # records the step
    calls = {
        name: timed(partial(advance, trainer, step=step), options.seconds)
        for name, step in (("replayed", trainer._run_step), ("eager", trainer.optimise))
    }
    times = in_turns(calls, options.rounds)
    trainer._validation_errors()  # training holds this memory beside that of a recorded step
    trainer._memory()
    speed = members / statistics.median(times["replayed"])
    expected = torch.cuda.max_memory_reserved() / reserved_bytes(needed * members)
    return Row(
        "gpu",
        f"{what}: member-steps per second, replayed / eager",
        over(times["eager"], times["replayed"]),
        f"{speed:,.0f} replayed; memory reserved / expected {expected:.2f}",
    )


def timed(call: Callable[[int], object], seconds: float) -> Callable[[], float]:
    """A measurement: wall-clock time of a step, repeated for so many seconds."""

    def measured(count: int) -> float:
        started = time.perf_counter()
        call(count)
        if torch.cuda.is_initialized():
            torch.cuda.synchronize()
        return (time.perf_counter() - started) / count

    count = max(1, round(seconds / measured(1)))
    return lambda: measured(count)
