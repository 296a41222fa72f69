"""Training on a GPU in under 4 minutes: speed, memory, agreement with the CPU, where time goes.

Usage: python -m benchmarks.gpu [--study] [--deadline 230] [--parts agreement speed profile]
    [--device cpu]
Needs torch, numpy and pydantic; with --study, which takes two minutes more, Snakemake and all else
but altair and vl-convert. `--device cpu` runs the same code at tiny sizes, to try it.
"""

from __future__ import annotations

import argparse
import copy
import gc
import os
import re
import statistics
import subprocess
import time
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor

from benchmarks.table import ROOT, architectures
from benchmarks.trainers import advance, make_trainer, settings_of, training_data
from mfbench.models.ensemble import Ensemble
from mfbench.study.training import TrainingSettings
from mfbench.training.capture import stream_of
from mfbench.training.data import TrainingData
from mfbench.training.device import choose_device, describe_device, prepare_process
from mfbench.training.memory import reserved_bytes, step_bytes
from mfbench.training.trainer import LOOK_EVERY, Trainer, initial_model

Size = tuple[int, int, int]  # width, batch, T
SIZES: tuple[Size, ...] = ((16, 16, 128), (32, 64, 256))
MEMBERS = (1, 16, 128, 512)
# Member-steps per second of 91fb009 captured by hand, for M = 16, 128 and 512, and eager for M = 1:
# shared/notes/gpu.md, one H100 80 GB, torch 2.11+cu130.
REFERENCE_HARDWARE = "H100 80 GB, torch 2.11+cu130"
REFERENCE: dict[Size, dict[str, tuple[int, ...]]] = {
    (16, 16, 128): {
        "rnn": (400, 9_828, 55_994, 138_473),
        "gru": (331, 4_911, 27_508, 63_392),
        "lstm": (347, 3_599, 21_647, 53_739),
        "tcn": (331, 23_524, 63_329, 72_788),
        "transformer": (194, 8_544, 16_769, 18_223),
        "s4d": (275, 37_862, 97_988, 110_231),
        "lru": (94, 29_122, 66_758, 77_384),
        "stable_ssm": (262, 42_079, 110_454, 126_543),
    },
    (32, 64, 256): {
        "rnn": (308, 3_148, 14_279, 20_825),
        "gru": (440, 1_694, 5_646, 6_867),
        "lstm": (384, 1_334, 4_868, 6_130),
        "tcn": (265, 2_732, 4_894, 5_091),
        "transformer": (167, 988, 1_422, 1_474),
        "s4d": (338, 6_382, 7_822, 7_955),
        "lru": (284, 4_591, 8_308, 8_854),
        "stable_ssm": (397, 8_216, 14_148, 15_039),
    },
}
PROFILED = ("s4d", "lru", "tcn")
# The first that matches names a kernel's kind.
KINDS = {
    "attention": r"flash|fmha|attention|softmax",
    "product": r"gemm|gemv|cutlass|cublas|nvjet|xmma|splitk|::mm|bmm|addmm",
    "FFT": r"fft",
    "concatenation": r"catarray|::cat",
    "copy": r"copy|clone|memcpy|contiguous",
    "indexing": r"index|gather|scatter",
    "reduction": r"reduce|sum|mean|norm",
    "addition": r"add|lerp",
    "multiplication": r"mul",
    "filling": r"fill|zero|memset|empty",
    "other elementwise": r"elementwise",
}


class Deadline:
    """Seconds that this run may take."""

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    def left(self) -> float:
        """Seconds."""
        return self._end - time.monotonic()

    def over(self, what: str) -> bool:
        """Whether it is; then what is left out is said."""
        if self.left() > 0:
            return False
        say(f"\nDEADLINE: stopped before {what}.")
        return True


def say(line: str) -> None:
    """Print at once: a run that is killed has said what it knew."""
    print(line, flush=True)


def synchronise(device: torch.device) -> None:
    """Wait for the GPU."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def difference(found: Tensor, expected: Tensor) -> float:
    """Largest difference relative to the largest number."""
    found, expected = found.detach().cpu(), expected.detach().cpu()
    return float((found - expected).abs().max() / expected.abs().max())


def trainer_at(
    size: Size, architecture: dict[str, Any], data: TrainingData, members: int
) -> Trainer:
    """Members at a size."""
    return make_trainer(
        architecture, data, members=members, width=size[0], settings=settings_at(size)
    )


def settings_at(size: Size) -> TrainingSettings:
    """Training at a size; few enough steps for the losses of many members."""
    return settings_of(size[1], steps=10_000)


def data_at(size: Size, device: torch.device) -> TrainingData:
    """A task at a size."""
    return training_data(length=size[2], device=device)


def agreement(device: torch.device, deadline: Deadline, *, tiny: bool) -> None:
    """Outputs and gradients of GPU and CPU; replayed and eager steps."""
    size: Size = (4, 4, 16) if tiny else SIZES[0]
    say("\n## Largest difference, relative to the largest number\n")
    say("| architecture | outputs, float64 | float32 | gradients, float64 | float32 | replayed |")
    say("|---|---|---|---|---|---|")
    for name, architecture in architectures().items():
        if deadline.over(f"agreement, {name}"):
            return
        found: dict[str, list[float]] = {"outputs": [], "gradients": []}
        for dtype in (torch.float64, torch.float32):
            outputs, gradients = both_devices(architecture, size, device, dtype)
            found["outputs"].append(outputs)
            found["gradients"].append(gradients)
        numbers = [*found["outputs"], *found["gradients"], replayed(architecture, size, device)]
        say(f"| {name} | " + " | ".join(f"{number:.0e}" for number in numbers) + " |")
    say("\n`replayed`: parameters of 3 members after 20 steps, replayed against eager.")


def both_devices(
    architecture: dict[str, Any], size: Size, device: torch.device, dtype: torch.dtype
) -> tuple[float, float]:
    """Differences of outputs and gradients, the larger of a member alone and of three together."""
    width, batch, T = size
    models = [
        initial_model(architecture, width=width, length=T, seed=s).to(dtype) for s in range(3)
    ]
    x = torch.randn(3, batch, T, 1, dtype=dtype, generator=torch.Generator().manual_seed(1))
    outputs, gradients = [], []
    for count in (1, 3):
        each = []
        for where in (torch.device("cpu"), device):
            ensemble = Ensemble([copy.deepcopy(model).to(where) for model in models[:count]])
            y = ensemble(x[:count].to(where))
            each.append((y, ensemble.gradient(y.square().mean((1, 2, 3)))))
        (y_cpu, gradient_cpu), (y, gradient) = each
        outputs.append(difference(y, y_cpu))
        gradients.append(difference(gradient, gradient_cpu))
    return max(outputs), max(gradients)


def replayed(architecture: dict[str, Any], size: Size, device: torch.device) -> float:
    """Difference of the parameters after 20 steps, replayed against eager."""
    data, parameters = data_at(size, device), []
    with stream_of(device):
        for eager in (False, True):
            trainer = trainer_at(size, architecture, data, 3)
            advance(trainer, 20, trainer.optimise if eager else None)
            parameters.append(trainer.ensemble.parameters)
        return difference(*parameters)


def seconds_per_step(trainer: Trainer, step: Callable[[], None], *, budget: float) -> float:
    """Time of a step as `train` takes it; the steps themselves are repeated for `budget` s.

    `train` prepares 100 steps at once, more than there is time for where they are slow: what it
    does once for them all is timed by itself.
    """
    device = trainer.data.x.device

    def timed(call: Callable[[], None], count: int = 1) -> float:
        synchronise(device)
        started = time.perf_counter()
        for _ in range(count):
            call()
        synchronise(device)
        return (time.perf_counter() - started) / count

    def once() -> None:
        trainer._seed_noise()
        step()

    trainer.step = -(-trainer.step // LOOK_EVERY) * LOOK_EVERY  # from where it prepares most
    trainer.validated = [trainer.step + LOOK_EVERY]
    around = timed(trainer.prepare)
    seconds = timed(once)
    if count := min(int(budget / seconds), LOOK_EVERY - 1):
        seconds = timed(once, count)
    trainer.step += 1 + count
    around += timed(trainer._look)
    return seconds + around / LOOK_EVERY


def speed(device: torch.device, deadline: Deadline, *, tiny: bool) -> None:
    """Member-steps per second, and memory against its estimate."""
    sizes: tuple[Size, ...] = ((4, 4, 16), (8, 8, 16)) if tiny else SIZES
    for i, size in enumerate(sizes):
        width, batch, T = size
        say(f"\n## Member-steps per second, width {width}, batch {batch}, T {T}\n")
        say(f"Replayed / eager (replayed against the reference: {REFERENCE_HARDWARE}).\n")
        say("| architecture | " + " | ".join(f"M = {M}" for M in MEMBERS) + " |")
        say("|---|" + "---|" * len(MEMBERS))
        memory = []
        for name, architecture in architectures().items():
            if deadline.over(f"speed, width {width}, {name}"):
                break
            cells = []
            data = data_at(size, device)
            with stream_of(device):
                needed = step_bytes(architecture, data, width=width, settings=settings_at(size))
                for M, reference in zip(MEMBERS, REFERENCE[SIZES[i]][name], strict=True):
                    if deadline.left() < 0 or (tiny and M > 16):
                        cells.append("")
                        continue
                    try:
                        rates, peak = measured(size, architecture, data, M, tiny=tiny)
                    except torch.OutOfMemoryError:
                        cells.append("out of memory")
                        continue
                    ratio = f" ({rates[0] / reference:.2f})" if M > 1 and not tiny else ""
                    cells.append(f"{rates[0]:,.0f} / {rates[1]:,.0f}{ratio}")
                    memory.append((name, M, needed * M, *peak))
            say(f"| {name} | " + " | ".join(cells) + " |")
        say_memory(memory)


def measured(
    size: Size, architecture: dict[str, Any], data: TrainingData, members: int, *, tiny: bool
) -> tuple[tuple[float, float], tuple[int, int]]:
    """Member-steps per second, replayed and eager; peak of memory, allocated and reserved."""
    device, budget = data.x.device, 0.002 if tiny else 0.1
    gc.collect()
    before = 0
    if device.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
    trainer = trainer_at(size, architecture, data, members)
    advance(trainer, 1, trainer.optimise)  # the first step is followed by a look
    rates = []
    for step, warm_up in ((trainer.optimise, 1), (trainer._run_step, 5)):
        advance(trainer, warm_up, step)
        seconds = [seconds_per_step(trainer, step, budget=budget) for _ in range(3)]
        rates.append(members / statistics.median(seconds))
    trainer._validation_errors()  # training holds this memory beside that of a recorded step
    trainer._memory()
    peak = (0, 0)
    if device.type == "cuda":
        allocated = torch.cuda.max_memory_allocated(device) - before
        peak = (allocated, torch.cuda.max_memory_reserved(device))
    return (rates[1], rates[0]), peak


def say_memory(memory: list[tuple[str, int, int, int, int]]) -> None:
    """Peaks against estimates, for the most members of each architecture."""
    say("\n| architecture, M | estimate, GB | allocated | reserved | reserved / expected |")
    say("|---|---|---|---|---|")
    for name, M, estimate, allocated, reserved in {row[0]: row for row in memory}.values():
        numbers = " | ".join(f"{size / 1e9:.2f}" for size in (estimate, allocated, reserved))
        say(f"| {name}, {M} | {numbers} | {reserved / reserved_bytes(estimate):.2f} |")
    ratios = [reserved / reserved_bytes(estimate) for _, _, estimate, _, reserved in memory]
    say(f"\nreserved / expected, all M: {min(ratios):.2f} to {max(ratios):.2f}")


def profile(device: torch.device, deadline: Deadline, *, tiny: bool) -> None:
    """Share of the time of an eager step by kind of kernel, M = 64."""
    size, M = ((8, 8, 16), 2) if tiny else (SIZES[1], 64)
    say(f"\n## Where the time of a step goes: width {size[0]}, T {size[2]}, M = {M}\n")
    for name in PROFILED:
        if deadline.over(f"profile, {name}"):
            return
        with stream_of(device):
            trainer = trainer_at(size, architectures()[name], data_at(size, device), M)
            advance(trainer, 3, trainer.optimise)
            with torch.profiler.profile() as profiler:
                advance(trainer, 3, trainer.optimise)
        total: dict[str, float] = {}
        kernels = 0
        for kernel, seconds, count in kernels_of(profiler, device):
            kind = next((k for k, v in KINDS.items() if re.search(v, kernel.lower())), "other")
            total[kind] = total.get(kind, 0.0) + seconds
            kernels += count
        everything = sum(total.values()) or 1.0
        shares = sorted(total.items(), key=lambda item: -item[1])
        text = ", ".join(f"{kind} {seconds / everything:.0%}" for kind, seconds in shares)
        say(f"- {name}, {kernels / 3:.0f} kernels per step, {everything / 3:.2g} us: {text}")


def kernels_of(
    profiler: torch.profiler.profile, device: torch.device
) -> Iterator[tuple[str, float, int]]:
    """Names, times in us and numbers of what ran; on a CPU operations in place of kernels."""
    for event in profiler.key_averages():
        if device.type == "cpu":
            yield event.key, event.self_cpu_time_total, event.count
        elif event.device_type.name == "CUDA":
            yield event.key, event.self_device_time_total, event.count


def whole_studies(deadline: Deadline, *, tiny: bool) -> None:
    """The training stage of a study, and the smoke study up to its cube."""
    import yaml

    from benchmarks.study import run

    lengths = {"memory_length": [4, 8, 16, 32, 64]}
    study: dict[str, Any] = {
        "name": "gpu",
        "task": {"length": 128},
        "kernels": {"impulse": lengths, "airy": lengths},
        "architectures": {name: {"widths": [16]} for name in architectures()},
        "training": {
            "steps": 400,
            "batch_size": 16,
            "learning_rates": [0.01, 0.03],
            "seeds": [0, 1, 2],
            "cells_per_job": 5,
            "device": "auto",
        },
    }
    smoke = yaml.safe_load((ROOT / "config" / "smoke.yaml").read_text())
    if tiny:
        study["architectures"] = {"rnn": {"widths": [4]}}
        study["training"] |= {"steps": 8, "device": "cpu"}
        smoke["kernels"] = {"impulse": {"rho": [3]}}
        smoke["architectures"] = {"rnn": {"widths": [4]}}
        smoke["training"]["device"] = "cpu"
    say("\n## Whole commands\n")
    cores = os.cpu_count() or 1
    for title, settings, arguments, aim in (
        ("training stage of 8 architectures x 2 kernels", study, ("--until", "train"), 25),
        ("smoke up to its cube", smoke, ("results/smoke/cubes/benchmark.nc",), 60),
    ):
        if deadline.over(title):
            return
        try:
            cost = run(ROOT, settings, *arguments, cores=cores, limit=deadline.left())
        except subprocess.TimeoutExpired as error:
            say(f"- {title}: DEADLINE, not finished within {error.timeout:.0f} s")
            return
        except SystemExit as error:
            say(f"- {title}: FAILED\n{error}")
            continue
        jobs = ", ".join(f"{stage} {seconds:.0f}" for stage, seconds in cost.jobs.items())
        say(
            f"- {title}: {cost.clock:.1f} s (aim: under {aim}) on {cores} cores; "
            f"{cost.members:.1f} s inside members; seconds of jobs: {jobs}"
        )


PARTS = {"agreement": agreement, "speed": speed, "profile": profile}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", default="auto", choices=["auto", "cpu", "cuda"])
    parser.add_argument("--parts", nargs="*", choices=PARTS, default=list(PARTS))
    parser.add_argument("--study", action="store_true", help="then two whole commands")
    parser.add_argument("--deadline", type=float, default=230.0, help="seconds until it stops")
    given = parser.parse_args()
    deadline = Deadline(given.deadline)
    started = time.monotonic()
    prepare_process(threads=1)
    device = choose_device(given.device)
    tiny = device.type == "cpu"
    say(f"torch {torch.__version__}, {describe_device(device)}, {os.cpu_count()} cores")
    if tiny:
        say("A trial on a CPU at tiny sizes: the numbers mean nothing.")
    for part in given.parts:
        PARTS[part](device, deadline, tiny=tiny)
    if given.study:
        whole_studies(deadline, tiny=tiny)
    say(f"\n{time.monotonic() - started:.0f} s in all")


if __name__ == "__main__":
    main()
