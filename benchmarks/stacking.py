"""Members trained per second: a stack of members against one after the other, in one process.

Prints medians of interleaved steps; on a noisy machine only the ratios mean something. A ratio
above 1 says that the stack trains that many times as many members in the same time.
Usage: python benchmarks/stacking.py [--members 4 16 64] [--width 32] [--batch 64] [--length 128]
           [--device auto] [--architectures rnn lstm ...] [--rounds 9] [--threads 1]
"""

from __future__ import annotations

import argparse
import statistics
import time

import torch
from mfbench.training.member import Run
from mfbench.training.stack import StackedRun, unstackable
from mfbench.training.steps import Steps

from mfbench.architectures.registry import declaration, registered
from mfbench.config.training import TrainingSettings
from mfbench.training.data import TrainingData
from mfbench.training.device import choose_device, describe_device, prepare_process

STEPS = 2000  # of a member of the default study


def seconds(steps: Steps, device: torch.device, count: int) -> float:
    """Time of one optimiser step, mean over some."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    started = time.perf_counter()
    for _ in range(count):
        steps.step()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return (time.perf_counter() - started) / count


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name, default in (
        *(("width", 32), ("batch", 64), ("length", 128)),
        *(("rounds", 9), ("steps", 3), ("threads", 1)),
    ):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--members", type=int, nargs="+", default=[4, 16, 64])
    parser.add_argument("--device", default="auto", choices=["auto", "cpu", "cuda"])
    parser.add_argument("--architectures", nargs="+", default=list(registered()))
    given = parser.parse_args()
    prepare_process(threads=given.threads)
    device = choose_device(given.device)
    B, T = given.batch, given.length
    print(f"torch {torch.__version__}, {describe_device(device)}, threads {given.threads}")
    print(f"width {given.width}, batch {B}, length {T}")
    print(f"\nalone: members per hour, {STEPS} steps each; stacks of M: ratio to that")
    print(f"{'':14s}{'alone':>8s}" + "".join(f"{f'M = {m}':>9s}" for m in given.members))

    x = torch.randn(4 * B, T, generator=torch.Generator().manual_seed(0)).to(device)
    data = TrainingData(x, x.roll(3, 1), x[:B], x[:B].roll(3, 1), scored_from=T // 2, variance=1.0)
    settings = TrainingSettings(steps=1_000_000, batch_size=B, validations=2, memory_probes=0)

    for name in given.architectures:
        stack = {k: v for k, (_, v) in declaration(registered()[name]).stack.items()}

        def run(seed: int, architecture: dict[str, object]) -> Run:
            return Run(
                architecture,
                data,
                width=given.width,
                learning_rate=1e-3,
                seed=seed,
                settings=settings,
            )

        architecture = {"model": name, **stack, "options": {}}
        alone = run(0, architecture)
        candidates: dict[int, Steps] = {1: alone}
        for members in given.members:
            runs = [run(seed, architecture) for seed in range(members)]
            if (reason := unstackable(runs)) is not None:
                raise SystemExit(f"{name} cannot be stacked: {reason}")
            candidates[members] = StackedRun(runs)
        times: dict[int, list[float]] = {members: [] for members in candidates}
        for steps in candidates.values():
            steps.step()  # the first one is validated
        for _ in range(given.rounds):
            for members, steps in candidates.items():
                times[members].append(seconds(steps, device, given.steps))
        median = {members: statistics.median(values) for members, values in times.items()}
        ratios = [median[1] * members / median[members] for members in given.members]
        print(
            f"  {name:12s}{3600 / (STEPS * median[1]):8.0f}"
            + "".join(f"{ratio:9.2f}" for ratio in ratios),
            flush=True,
        )


if __name__ == "__main__":
    main()
