"""Eight diagonal models as a study, from an empty folder to its cube."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.study import clocks, in_both
from benchmarks.table import Options, Row


def rows(options: Options) -> Iterator[Row]:
    """Wall clock of the whole command, this tree over the other one."""
    study = {
        "name": "diagonal",
        "task": {"length": 100},
        "kernels": {
            "impulse": {"memory_length": [2, 4, 6, 8, 12, 16, 24, 32][: 2 if options.quick else 8]}
        },
        "architectures": {"stable_ssm": {"widths": [16]}},
        "training": {
            "steps": 8 if options.quick else 500,
            "batch_size": 128,
            "learning_rates": [0.01],
            "seeds": [0],
            "device": "cpu",
        },
    }
    this, other = in_both(options, study, "results/diagonal/cubes/benchmark.nc")
    yield clocks("diagonal", "eight stable_ssm, whole command", this, other, options.name)
