"""What jobs ask a cluster for covers what was measured, and grows with what makes them grow."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from mfbench.study.study import Study, load_study
from mfbench.workflow.resources import (
    Request,
    assembly_memory,
    cell_seconds,
    cube_memory,
    dataset_memory,
    evaluation_memory,
    evaluation_runtime,
    fixed,
    floor_memory,
    floor_runtime,
    levels_per_job,
    training_memory,
    training_runtime,
)
from tests.conftest import small_study

SNAKEMAKE = 340  # MB of the two Snakemakes above a script
GENEROUS = 3.2  # a request may be that many times what is used

# (architecture, T, width, layers, batch, training sequences) and MB at the peak of three steps with
# two validations of 256 sequences; x86, torch 2.13, one thread, 20 November 2026.
TRAINING = [
    ("rnn", 128, 16, 1, 16, 2048, 315),
    ("rnn", 256, 64, 1, 64, 2048, 423),
    ("rnn", 1024, 16, 1, 16, 2048, 426),
    ("rnn", 1024, 64, 1, 32, 2048, 678),
    ("rnn", 1024, 16, 1, 16, 32768, 814),
    ("rnn", 128, 256, 1, 16, 2048, 475),
    ("gru", 256, 64, 1, 64, 2048, 537),
    ("gru", 256, 64, 1, 256, 2048, 748),
    ("gru", 256, 64, 3, 64, 2048, 614),
    ("gru", 1024, 16, 1, 16, 2048, 532),
    ("lstm", 256, 64, 1, 64, 2048, 420),
    ("tcn", 256, 64, 4, 64, 2048, 600),
    ("tcn", 256, 64, 7, 64, 2048, 599),
    ("tcn", 1024, 64, 4, 32, 2048, 1047),
    ("transformer", 128, 16, 1, 16, 2048, 338),
    ("transformer", 256, 64, 1, 64, 2048, 655),
    ("transformer", 256, 64, 4, 64, 2048, 763),
    ("transformer", 1024, 64, 1, 32, 2048, 1316),
    ("s4d", 256, 64, 4, 64, 2048, 629),
    ("s4d", 1024, 64, 1, 32, 2048, 933),
    ("s4d", 4096, 16, 1, 16, 4096, 1192),
    ("lru", 256, 64, 4, 64, 2048, 612),
    ("lru", 1024, 16, 1, 16, 2048, 688),
    ("stable_ssm", 1024, 16, 1, 16, 2048, 505),
]
# (architecture, T, width, layers, test sequences), MB at the peak of one member, and its seconds.
EVALUATION = [
    ("rnn", 256, 64, 1, 512, 515, 2.0),
    ("rnn", 1024, 16, 1, 256, 565, 2.6),
    ("gru", 256, 64, 1, 512, 754, 2.7),
    ("gru", 256, 64, 3, 256, 1025, 3.9),
    ("lstm", 256, 64, 1, 512, 706, 1.9),
    ("tcn", 256, 64, 4, 512, 900, 8.7),
    ("tcn", 256, 64, 7, 256, 1234, 17.3),
    ("tcn", 1024, 16, 4, 256, 915, 1.7),
    ("transformer", 256, 64, 1, 512, 1094, 5.7),
    ("transformer", 256, 64, 4, 256, 1821, 49.8),
    ("transformer", 1024, 16, 1, 256, 1019, 39.8),
    ("s4d", 256, 64, 1, 512, 776, 1.4),
    ("s4d", 256, 64, 4, 256, 1160, 6.3),
    ("s4d", 4096, 16, 1, 256, 1518, 8.0),
    ("lru", 256, 64, 4, 256, 1062, 3.5),
    ("lru", 1024, 16, 1, 256, 938, 2.0),
    ("stable_ssm", 256, 64, 1, 512, 493, 0.6),
]
# (T, state sizes) and seconds for the Airy kernel, which takes longest.
FLOORS = [
    (128, [1, 2, 4, 8, 16, 32, 64], 27.3),
    (256, [8, 16, 32, 64, 128], 194.6),
    (512, [8, 32], 16.0),
]
# Of the default study: architecture, and the most MB and seconds of a training job of six members
# and of an evaluation of five levels.
DEFAULT = [
    ("rnn", 301, 18.9, 419, 5.3),
    ("gru", 309, 37.9, 458, 10.2),
    ("lstm", 310, 15.7, 447, 4.9),
    ("tcn", 313, 22.6, 468, 6.4),
    ("transformer", 313, 48.5, 463, 17.6),
    ("s4d", 316, 20.9, 446, 6.6),
    ("lru", 329, 19.4, 471, 8.2),
]


def study(
    name: str = "rnn",
    length: int = 128,
    width: int = 16,
    layers: int = 1,
    **changes: dict[str, Any],
) -> Study:
    """One architecture on impulses; no GPU."""
    content = small_study()
    content["kernels"] = {"impulse": {"rho": [3]}}
    content["architectures"] = {name: {"widths": [width], "layers": layers}}
    content["task"] = {
        "length": length,
        "sequences": {"train": 2048, "validation": 256, "test": 512},
    }
    content["training"] = {"learning_rates": [0.01], "seeds": [0], "device": "cpu"}
    for section, values in changes.items():
        content.setdefault(section, {}).update(values)
    return load_study(content)


def asked(request: Request, attempt: int = 1, **wildcards: str) -> int:
    """What a job asks for; by default a small cell."""
    given = {"architecture": "rnn", "width": "16", "kernel": "impulse", "pack": "3"}
    return request(given | wildcards, attempt)


@pytest.mark.parametrize(("name", "length", "width", "layers", "batch", "train", "used"), TRAINING)
def test_training_asks_for_what_it_uses(
    name: str, length: int, width: int, layers: int, batch: int, train: int, used: float
) -> None:
    sequences = {"train": train, "validation": 256, "test": 512}
    of = study(
        name, length, width, layers, training={"batch_size": batch}, task={"sequences": sequences}
    )
    memory = asked(training_memory(of), architecture=name, width=str(width))
    assert used + SNAKEMAKE <= memory <= GENEROUS * (used + SNAKEMAKE)


@pytest.mark.parametrize(
    ("name", "length", "width", "layers", "test", "used", "seconds"), EVALUATION
)
def test_an_evaluation_asks_for_what_it_uses(
    name: str, length: int, width: int, layers: int, test: int, used: float, seconds: float
) -> None:
    sequences = {"train": 2048, "validation": 256, "test": test}
    of = study(name, length, width, layers, task={"sequences": sequences})
    cell = {"architecture": name, "width": str(width)}
    memory = asked(evaluation_memory(of), **cell)
    assert used + SNAKEMAKE <= memory <= GENEROUS * (used + SNAKEMAKE)
    assert seconds < 60 * asked(evaluation_runtime(of), **cell)


@pytest.mark.parametrize(("length", "sizes", "seconds"), FLOORS)
def test_floors_ask_for_the_time_that_they_take(
    length: int, sizes: list[int], seconds: float
) -> None:
    of = study(length=length, floors={"state_sizes": sizes})
    assert 3 * seconds < 60 * asked(floor_runtime(of))
    assert 158 + SNAKEMAKE <= asked(floor_memory(of)) <= GENEROUS * (132 + SNAKEMAKE)


@pytest.mark.parametrize(("name", "training", "trained", "evaluation", "evaluated"), DEFAULT)
def test_the_default_study_asks_for_what_its_benchmark_records_say(
    name: str, training: float, trained: float, evaluation: float, evaluated: float
) -> None:
    members = {"steps": 400, "batch_size": 16, "learning_rates": [0.01, 0.03], "seeds": [0, 1, 2]}
    layers = 4 if name == "tcn" else 1
    of = study(name, layers=layers, training=members, kernels={"impulse": {"rho": [1, 2, 3, 4, 5]}})
    for used, request in ((training, training_memory), (evaluation, evaluation_memory)):
        memory = asked(request(of), architecture=name)
        assert used + SNAKEMAKE <= memory <= GENEROUS * (used + SNAKEMAKE)
    assert 3 * trained < 60 * asked(training_runtime(of), architecture=name)
    assert 3 * evaluated < 60 * asked(evaluation_runtime(of), architecture=name)
    assert 101 + SNAKEMAKE <= asked(dataset_memory(of)) <= GENEROUS * (101 + SNAKEMAKE)
    assert 389 + SNAKEMAKE <= asked(cube_memory(of)) <= GENEROUS * (389 + SNAKEMAKE)


ALL = [
    training_memory,
    training_runtime,
    evaluation_memory,
    evaluation_runtime,
    floor_memory,
    floor_runtime,
    dataset_memory,
    cube_memory,
    assembly_memory,
]


@pytest.mark.parametrize("request_of", [*ALL, lambda study: fixed(30)])
def test_a_job_that_is_tried_again_asks_for_more(request_of: Callable[[Study], Request]) -> None:
    request = request_of(study())
    assert [asked(request, attempt=n) for n in (2, 3)] == [n * asked(request) for n in (2, 3)]


@pytest.mark.parametrize("request_of", ALL)
def test_requests_grow_with_the_length(request_of: Callable[[Study], Request]) -> None:
    members = {"training": {"seeds": [*range(20)], "steps": 10}}  # few steps: no job takes a day
    short, long = (asked(request_of(study(length=n, **members))) for n in (128, 1024))
    assert short < long


@pytest.mark.parametrize(
    "request_of", [training_memory, training_runtime, evaluation_memory, evaluation_runtime]
)
@pytest.mark.parametrize("what", ["width", "layers"])
def test_requests_grow_with_the_model(request_of: Callable[[Study], Request], what: str) -> None:
    sizes = [{"width": 16}, {"width": 128}] if what == "width" else [{"layers": 1}, {"layers": 8}]
    small, large = (
        asked(request_of(study(**size)), width=str(size.get("width", 16))) for size in sizes
    )
    assert small < large


@pytest.mark.parametrize("request_of", [training_memory, training_runtime, evaluation_runtime])
@pytest.mark.parametrize(
    "members", [{"seeds": [*range(50)]}, {"learning_rates": [n / 100 for n in range(1, 51)]}]
)
def test_requests_grow_with_the_members(
    request_of: Callable[[Study], Request], members: dict[str, list[float]]
) -> None:
    one, fifty = (
        asked(request_of(study(length=1024, training={"steps": 10} | more)))
        for more in ({}, members)
    )
    assert one < fifty


@pytest.mark.parametrize("request_of", [training_memory, training_runtime])
def test_a_job_of_several_levels_asks_for_more(request_of: Callable[[Study], Request]) -> None:
    request = request_of(study(training={"seeds": [*range(20)], "steps": 10}))
    assert asked(request) < asked(request, pack="_".join(map(str, range(20))))


def test_a_job_trains_as_many_levels_as_take_no_longer_than_two_hours() -> None:
    rnn = {"architecture": "rnn", "width": "16"}
    quick, long, longer = (study(training={"steps": n}) for n in (400, 20_000, 10**6))
    assert levels_per_job(quick)(rnn) > 100
    most = levels_per_job(long)(rnn)
    assert most * cell_seconds(long)(rnn) <= 7200 < (most + 1) * cell_seconds(long)(rnn)
    assert cell_seconds(longer)(rnn) > 7200
    assert levels_per_job(longer)(rnn) == 1
    # A wider model trains fewer, and a GPU more.
    wide = study(width=64, training={"steps": 20_000})
    assert levels_per_job(wide)(rnn | {"width": "64"}) < most
    on_gpu = study(training={"steps": 20_000, "device": "cuda"})
    assert levels_per_job(on_gpu)(rnn) > 50 * most
    assert levels_per_job(study(training={"steps": 10**6, "cells_per_job": 3}))(rnn) == 3


def test_members_that_train_together_are_in_memory_together() -> None:
    members = {"seeds": [*range(8)], "learning_rates": [0.01]}
    one, four, all_of_them, more = (
        asked(
            training_memory(study(width=64, training={**members, "ensemble_size": n})), width="64"
        )
        for n in ("auto", 4, 8, 100)
    )
    assert one < four < all_of_them == more  # there are no more than eight


def test_training_asks_for_a_day_at_most() -> None:
    forever = training_runtime(study(training={"steps": 10**6}))
    assert asked(forever) == asked(forever, attempt=3) == 24 * 60


def test_a_job_that_may_get_a_gpu_has_room_for_its_libraries() -> None:
    cpu, gpu = (training_memory(study(training={"device": d})) for d in ("cpu", "cuda"))
    assert asked(gpu) == asked(cpu) + 3000


def test_cubes_are_put_together_in_the_memory_of_one_architecture() -> None:
    names = {f"a{i}": {"model": "rnn", "widths": [16, 32]} for i in range(50)}
    kernels = {"impulse": {"rho": list(range(1, 20))}}
    one, many = (
        load_study(
            {"name": "s", "task": {"length": 1024}, "kernels": kernels, "architectures": chosen}
        )
        for chosen in ({"a0": names["a0"]}, names)
    )
    assert assembly_memory(one)({}, 1) == assembly_memory(many)({}, 1)
    assert asked(assembly_memory(many), architecture="a7") == assembly_memory(many)({}, 1)
    assert asked(cube_memory(many)) > 5 * asked(cube_memory(one))
