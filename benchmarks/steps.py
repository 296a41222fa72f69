"""Time of a member-step of the models of the other tree's default study, in both trees."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from typing import Any

import yaml

from benchmarks.table import ROOT, Options, Row, over
from benchmarks.tree import Worker
from mfbench.study.study import Study, load_study
from mfbench.study.training import EXECUTION


def requests(study: Study) -> Iterator[tuple[str, dict[str, Any]]]:
    """What to train for each architecture and width: the levels of one kernel in one job."""
    lags = [level.memory_length for level in study.levels(next(iter(study.kernels)))]
    for name, entry in study.architectures.items():
        for width in entry.widths:
            yield (
                f"{name}, width {width}",
                {
                    "architecture": study.models[name].settings,
                    "width": width,
                    "length": study.task.length,
                    "sequences": study.task.sequences.train,
                    "lags": lags,
                    "training": study.training_of(name).model_dump(exclude=set(EXECUTION)),
                },
            )


def rows(options: Options) -> Iterator[Row]:
    """One architecture after the other, and the mean over all."""
    study = load_study(yaml.safe_load((options.against / "config.yaml").read_text()))
    jobs = dict(requests(study))
    # CPU and wall time by tree and architecture, one of each round.
    times: dict[tuple[str, str], list[dict[str, float]]] = {}
    with Worker(ROOT) as this, Worker(options.against) as other:
        counts, about = {}, {}
        for name, request in jobs.items():
            for tree, worker in (("this", this), ("other", other)):
                made = worker.ask(name=name, **request)
                if tree == "this":
                    about[name] = made
                worker.ask(name=name, count=2)  # warm-up
                took = worker.ask(name=name, count=3)["cpu"] * made["together"]
                counts[tree, name] = max(1, round(options.seconds / took))
        for i in range(options.rounds):
            for name in jobs:
                both = (("this", this), ("other", other))
                for tree, worker in both[:: -1 if i % 2 else 1]:
                    found = worker.ask(name=name, count=counts[tree, name])
                    times.setdefault((tree, name), []).append(found)

    def ratios(clock: str, names: list[str]) -> list[float]:
        mean = {
            tree: [
                statistics.fmean(times[tree, name][i][clock] for name in names)
                for i in range(options.rounds)
            ]
            for tree in ("this", "other")
        }
        return over(mean["this"], mean["other"])

    for name in jobs:
        together, members = about[name]["together"], about[name]["members"]
        wall = statistics.median(ratios("wall", [name]))
        yield Row(
            "steps",
            f"{name}: CPU time per member-step, this / {options.name}",
            ratios("cpu", [name]),
            f"{together} of {members} members together; wall clock {wall:.2f}",
        )
    wall = statistics.median(ratios("wall", list(jobs)))
    yield Row(
        "steps",
        f"mean over architectures: CPU time per member-step, this / {options.name}",
        ratios("cpu", list(jobs)),
        f"wall clock {wall:.2f}; aim at most 0.6",
    )
