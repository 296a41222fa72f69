"""Time of a training step: architectures, and own forms against those of torch.

Prints medians of interleaved runs; on a noisy machine only the ratios mean something.
Usage: python benchmarks/training_step.py [--width 16] [--batch 16] [--length 128] [--rounds 15]
"""

from __future__ import annotations

import argparse
import platform
import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor, nn

from mfbench.architectures.build import build_model
from mfbench.architectures.gru import GRU
from mfbench.architectures.registry import declaration, registered
from mfbench.architectures.rnn import RNN
from mfbench.config.training import Optimiser
from mfbench.training.optimiser import FlatAdamW


def interleaved(candidates: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Median milliseconds of each candidate, one call of each per round."""
    for call in candidates.values():
        call()
    times: dict[str, list[float]] = {name: [] for name in candidates}
    for _ in range(rounds):
        for name, call in candidates.items():
            started = time.perf_counter()
            call()
            times[name].append(1e3 * (time.perf_counter() - started))
    return {name: statistics.median(values) for name, values in times.items()}


def backward(forward: Callable[[Tensor], Tensor], u: Tensor) -> Callable[[], object]:
    """A call that runs forwards and backwards."""
    return lambda: forward(u).square().mean().backward()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name, default in (("width", 16), ("batch", 16), ("length", 128), ("rounds", 15)):
        parser.add_argument(f"--{name}", type=int, default=default)
    given = parser.parse_args()
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    torch.manual_seed(0)
    C, B, T = given.width, given.batch, given.length
    print(f"torch {torch.__version__}, {platform.machine()}, width {C}, batch {B}, length {T}")

    x = torch.randn(B, T, 1)
    models = {}
    for name, source in registered().items():
        stack = {k: v for k, (_, v) in declaration(source).stack.items()}
        models[name] = build_model({"model": name, **stack, "options": {}}, width=C, length=T)
    steps = interleaved({n: backward(m, x) for n, m in models.items()}, given.rounds)
    print("\nforward and backward of whole models, ms per step")
    for name, ms in steps.items():
        print(f"  {name:12s} {ms:7.2f}")

    u = torch.randn(B, T, C, requires_grad=True)
    print("\nown form against torch's, ms per step and ratio (above 1: own is faster)")
    for mixer in (RNN(C, 0, T), GRU(C, 0, T)):
        name = type(mixer).__name__
        cell = mixer.cell
        pair = {"own": backward(mixer, u), "torch": backward(lambda v, c=cell: c(v)[0], u)}
        ms = interleaved(pair, given.rounds)
        print(f"  {name:12s} {ms['own']:7.2f} {ms['torch']:7.2f}   {ms['torch'] / ms['own']:.1f}")

    model: nn.Module = models["transformer"]
    flat = FlatAdamW(models["lstm"], Optimiser())
    for parameter in model.parameters():
        parameter.grad = torch.ones_like(parameter)
    reference = torch.optim.AdamW(model.parameters())
    ms = interleaved(
        {"own": lambda: flat.step(10, 1e-3), "torch": reference.step}, 20 * given.rounds
    )
    print(f"  {'AdamW':12s} {ms['own']:7.3f} {ms['torch']:7.3f}   {ms['torch'] / ms['own']:.1f}")


if __name__ == "__main__":
    main()
