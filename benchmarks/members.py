"""Member-steps per second of ensembles on a CPU, relative to one member after the other."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from benchmarks.table import Options, Row, architectures, in_turns, over, repeated
from benchmarks.trainers import advance, make_trainer, settings_of, training_data
from mfbench.training.memory import _FEWEST, CPU_BYTES, step_bytes

MEMBERS = (1, 2, 4, 8, 16, 32)
SIZES = ((64, 16, 8), (128, 16, 16), (128, 32, 32), (256, 32, 64))  # T, width, batch
BUDGETS = (5, 10, 20, 40, 80, 160)  # MB


def rows(options: Options) -> Iterator[Row]:
    """Each size and architecture by M, then what each limit on the bytes of a step would give."""
    counts = MEMBERS[:3] if options.quick else MEMBERS
    measured: list[tuple[int, dict[int, list[float]]]] = []  # bytes of a member, speeds by M
    for T, width, batch in SIZES[:1] if options.quick else SIZES:
        data, settings = training_data(length=T), settings_of(batch)
        for name, architecture in architectures().items():
            needed = step_bytes(architecture, data, width=width, settings=settings)
            calls = {}
            for M in counts:
                trainer = make_trainer(
                    architecture, data, members=M, width=width, settings=settings
                )
                calls[M] = repeated(partial(advance, trainer), options.seconds)
            times = in_turns(calls, options.rounds)
            speeds = {M: [M * r for r in over(times[1], times[M])] for M in counts}
            measured.append((needed, speeds))
            where = f"{name}, T {T}, width {width}, batch {batch}"
            for M in counts[1:]:
                remark = f"{needed / 1e6:.2f} MB each, {M * needed / 1e6:.1f} together"
                what = f"{where}: member-steps per second, M = {M} / M = 1"
                yield Row("members", what, speeds[M], remark)
    for budget in BUDGETS:
        found = []
        for needed, speeds in measured:
            most = 1e6 * budget / needed
            M = max(M for M in counts if M == 1 or _FEWEST <= M <= most)
            found.append(sorted(speeds[M])[len(speeds[M]) // 2])
        now = "; CPU_BYTES now" if 1e6 * budget == CPU_BYTES else ""
        remark = f"mean {sum(found) / len(found):.2f}; range over architectures and sizes{now}"
        what = f"member-steps per second with as many as fit into {budget} MB / M = 1"
        yield Row("members", what, found, remark)
