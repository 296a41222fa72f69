"""Floors: how close the two bounds are, and how long they take.

Prints a markdown table of lower / upper bounds of the relative error (all steps scored, no direct
path), the quality of the bounds and processor times. Run it on one core (OMP_NUM_THREADS=1).
Usage: python benchmarks/floors.py [--length 256] [--orders 1 2 4 8 16] [--kernels impulse=16 ...]
"""

from __future__ import annotations

import argparse
import platform
import time

import numpy as np
import scipy

from mfbench.floors.lower import lower_bound
from mfbench.floors.upper import upper_bound
from mfbench.tasks.kernels.memory import memory_function, window_weights

GRID = {
    "polynomial": (0.5, 0.75, 1.0, 1.5),
    "airy": (8.0, 16.0, 32.0, 64.0, 100.0),
    "impulse": (8.0, 16.0, 32.0, 64.0, 100.0, 200.0),
}
EXACT = 1e-9  # ratios of smaller floors say nothing


def knob(text: str) -> tuple[str, float]:
    """A kernel as it is typed, ``impulse=16``."""
    family, _, rho = text.partition("=")
    return family, float(rho)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--length", type=int, default=256)
    parser.add_argument("--orders", type=int, nargs="+", default=[1, 2, 4, 8, 16])
    everything = [(family, rho) for family, knobs in GRID.items() for rho in knobs]
    parser.add_argument("--kernels", type=knob, nargs="+", default=everything)
    given = parser.parse_args()
    weights = window_weights(given.length, 0)
    print(f"scipy {scipy.__version__}, {platform.machine()}, T = {given.length}\n")
    print("| kernel |" + "".join(f" n = {n} |" for n in given.orders))
    print("|---|" + "---|" * len(given.orders), flush=True)

    ratios = []
    seconds: dict[str, list[float]] = {"lower": [], "upper": [], "both": []}
    for family, rho in given.kernels:
        k = memory_function(family, rho, given.length, weights)
        cells = []
        for n in given.orders:
            started = time.process_time()
            lower = lower_bound(k, weights, n)
            between = time.process_time()
            upper = upper_bound(k, weights, n).error
            done = time.process_time()
            for name, took in zip(
                seconds, (between - started, done - between, done - started), strict=True
            ):
                seconds[name].append(took)
            if upper > EXACT:
                ratios.append(upper / lower if lower else np.inf)
            cells.append(f"{lower:.3g} / {upper:.3g}" if upper > EXACT else "0")
        print(f"| {family} {rho:g} | " + " | ".join(cells) + " |", flush=True)

    if ratios:
        median, high = np.quantile(ratios, [0.5, 0.9])
        print(f"\nupper / lower, {len(ratios)} floors above {EXACT:g}: ", end="")
        print(f"median {median:.3f}, 90th percentile {high:.2f}, largest {max(ratios):.2f}")
    for name, all_of_it in seconds.items():
        median, most = np.median(all_of_it), max(all_of_it)
        print(f"{name}, processor time: median {median:.2f} s, largest {most:.2f} s")


if __name__ == "__main__":
    main()
