"""How time grows: of a step as length, batch and members double, of a plan as cells double."""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from benchmarks.scale import dry_run, make_study
from benchmarks.table import Options, Row, architectures, in_turns, over, repeated
from benchmarks.trainers import advance, make_trainer, settings_of, training_data

WIDTH = 16
Size = tuple[int, int, int]  # T, batch, members
CHAINS: dict[str, tuple[Size, ...]] = {
    "T": ((128, 32, 4), (256, 32, 4), (512, 32, 4)),
    "batch": ((128, 32, 4), (128, 64, 4), (128, 128, 4)),
    "members": ((128, 32, 4), (128, 32, 8), (128, 32, 16)),
}


def rows(options: Options) -> Iterator[Row]:
    """Steps of each architecture, then plans."""
    chains = {k: v[:2] if options.quick else v for k, v in CHAINS.items()}
    for name, architecture in architectures().items():
        sizes = dict.fromkeys(size for chain in chains.values() for size in chain)
        calls = {size: repeated(steps(architecture, size), options.seconds) for size in sizes}
        times = in_turns(calls, options.rounds)
        for i, (what, chain) in enumerate(chains.items()):
            for small, large in itertools.pairwise(chain):
                title = f"{name}: time of a step, {what} {small[i]} to {large[i]}"
                yield Row("growth", title, over(times[large], times[small]))
    cells = (10, 20) if options.quick else (1000, 2000, 4000)
    with tempfile.TemporaryDirectory() as folder:
        plans = {count: planned(count, Path(folder)) for count in cells}
        times_of_plans = in_turns(plans, min(options.rounds, 3))
    for few, many in itertools.pairwise(cells):
        ratios = over(times_of_plans[many], times_of_plans[few])
        remark = f"{min(times_of_plans[many]):.1f} s of CPU time at {many:,}"
        yield Row("growth", f"time of a dry run, {few:,} to {many:,} cells", ratios, remark)


def steps(architecture: dict[str, Any], size: Size) -> Callable[[int], None]:
    """Steps of the trainer at a size."""
    T, batch, members = size
    data, settings = training_data(length=T), settings_of(batch)
    trainer = make_trainer(architecture, data, members=members, width=WIDTH, settings=settings)
    return lambda count: advance(trainer, count)


def planned(cells: int, folder: Path) -> Callable[[], float]:
    """CPU time of a dry run, in a folder of its own."""
    study = make_study(cells, levels=10, per_architecture=200, cells_per_job=1)
    numbers = itertools.count()
    return lambda: dry_run(study, folder / f"{cells}-{next(numbers)}").processor
