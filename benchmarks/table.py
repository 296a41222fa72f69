"""What all parts share: timing in turns, rows of the one table, the hardware."""

from __future__ import annotations

import os
import platform
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch

from mfbench.models.registry import registered

Key = TypeVar("Key")
Found = TypeVar("Found")

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Options:
    """What the command line says.

    Attributes
    ----------
    against : Path
        The other tree, checked out.
    name : str
        Its name in the table.
    rounds : int
        Measurements of each candidate, in turns.
    study_rounds : int
        Runs of a whole study.
    quick : bool
        Tiny sizes, to try the code.
    """

    against: Path
    name: str
    rounds: int
    study_rounds: int
    quick: bool

    @property
    def seconds(self) -> float:
        """CPU time of one measurement."""
        return 0.01 if self.quick else 0.2


@dataclass(frozen=True)
class Row:
    """A line of the table: a ratio, measured several times."""

    part: str
    what: str
    ratios: Sequence[float]
    remark: str = ""

    def __str__(self) -> str:
        middle, low, high = statistics.median(self.ratios), min(self.ratios), max(self.ratios)
        numbers = f"{middle:.2f} | {low:.2f} to {high:.2f}"
        return f"| {self.part} | {self.what} | {numbers} | {self.remark} |"


HEAD = "| part | what | ratio (median) | range | remark |\n|---|---|---|---|---|"


def hardware() -> str:
    """One line on what was measured, and on what."""
    return (
        f"{processor()}, {os.cpu_count()} cores, torch {torch.__version__}, "
        f"{torch.get_num_threads()} thread, load {os.getloadavg()[0]:.1f} at the start"
    )


def processor() -> str:
    """Name of the processor."""
    info = Path("/proc/cpuinfo")
    for line in info.read_text().splitlines() if info.is_file() else ():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def architectures() -> dict[str, dict[str, Any]]:
    """All registered architectures with their defaults, for `build_model`."""
    return {name: {"model": name} for name in registered()}


def in_turns(calls: Mapping[Key, Callable[[], Found]], rounds: int) -> dict[Key, list[Found]]:
    """What calls return in each round; every other round in reverse, so that a drift cancels."""
    found: dict[Key, list[Found]] = {key: [] for key in calls}
    for i in range(rounds):
        for key in list(calls)[:: -1 if i % 2 else 1]:
            found[key].append(calls[key]())
    return found


def repeated(call: Callable[[int], object], seconds: float) -> Callable[[], float]:
    """A measurement: CPU time per repetition of a call that repeats itself as often as told.

    CPU time of one thread, so that other work on the machine counts less.
    """

    def measured(count: int) -> float:
        started = time.process_time()
        call(count)
        return (time.process_time() - started) / count

    measured(2)  # warm-up
    count = max(1, round(seconds / measured(2)))
    return lambda: measured(count)


def over(numerators: Sequence[float], denominators: Sequence[float]) -> list[float]:
    """Ratios, round by round."""
    return [a / b for a, b in zip(numerators, denominators, strict=True)]
