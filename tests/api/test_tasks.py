"""Tasks, memory functions and floors, by name, file, family and values."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import mfbench as mf
from mfbench.files.paths import Paths
from mfbench.tasks.datasets import read_dataset
from mfbench.tasks.kernels.lookup import family
from mfbench.tasks.past import convolve_directly
from tests.api.results import KERNEL, RHOS

LENGTH = 16
DECAY = 0.6 ** np.arange(LENGTH)


@pytest.fixture(params=["name", "family", "values", "file"])
def exponential(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Any, dict[str, float]]:
    """The same memory function, given in each way, with its knob."""
    np.save(tmp_path / "own.npy", DECAY)
    return {
        "name": ("exponential", {"rho": 0.6}),
        "family": (family("exponential"), {"rho": 0.6}),
        "values": (DECAY, {}),
        "file": (f"{tmp_path}/own.npy", {}),
    }[request.param]


def test_a_task_is_the_same_however_its_kernel_is_given(
    exponential: tuple[Any, dict[str, float]],
) -> None:
    kernel, knob = exponential
    task = mf.Task(kernel, **knob, length=LENGTH, sequences=8)
    weights = np.minimum(1, (LENGTH - np.arange(LENGTH)) / 8)
    k = DECAY / np.sqrt(np.sum(weights * DECAY**2))
    np.testing.assert_allclose(task.memory_function, k, rtol=1e-12)
    np.testing.assert_allclose(mf.memory_function(kernel, **knob, length=LENGTH), k, rtol=1e-12)
    energy = np.cumsum(weights * k**2)
    assert task.memory_length == 1 + np.argmax(energy >= 0.99)
    assert task.memory_length == mf.memory_length(kernel, **knob, length=LENGTH)
    assert {name: x.shape for name, x in task.x.items()} == {
        "train": (8, LENGTH), "validation": (256, LENGTH), "test": (512, LENGTH)
    }  # fmt: skip
    expected = convolve_directly(task.x["test"].astype(float), k)
    np.testing.assert_allclose(task.y["test"], expected, atol=1e-6)
    seen = mf.floor(task, receptive_field=3)
    np.testing.assert_allclose([seen.lower, seen.upper], 1 - energy[2], rtol=1e-10)
    assert mf.floor(kernel, **knob, length=LENGTH, state=1).upper < 1e-12  # it has one state


def test_a_task_is_that_of_a_study(results: Path) -> None:
    stored = read_dataset(Paths(results).file("dataset", kernel=KERNEL, rho=RHOS[1]))
    counts = {"train": 64, "validation": 16, "test": 32}
    task = mf.Task(KERNEL, memory_length=stored.memory_length, length=LENGTH, sequences=counts)
    assert task.memory_length == stored.memory_length
    same = mf.Task(KERNEL, rho=RHOS[1], length=LENGTH, sequences=counts)
    for split in counts:
        np.testing.assert_array_equal(same.x[split], stored.x[split])
        np.testing.assert_array_equal(same.y[split], stored.y[split])
    assert f"rho={RHOS[1]}" in repr(same)
    assert "<svg" in same._repr_html_()


@pytest.mark.parametrize("kernel", ["airy", DECAY])
def test_a_task_can_be_changed(kernel: Any) -> None:
    knob = {"memory_length": 4} if isinstance(kernel, str) else {}
    task = mf.Task(kernel, **knob, length=LENGTH, sequences=8)
    other = replace(task, seed=1)
    assert repr(other) == repr(task)
    assert not np.allclose(other.x["train"], task.x["train"])


def test_a_task_has_one_memory_length() -> None:
    task = mf.Task("airy", memory_length=4, length=LENGTH)
    assert replace(task, memory_length=6, rho=None).memory_length == 6
    with pytest.raises(ValueError, match=r"has memory_length = 4, not 6: give either rho or mem"):
        replace(task, memory_length=6)


@pytest.mark.parametrize(
    ("kernel", "given", "message"),
    [
        ("airy", {}, "airy: give either rho or memory_length"),
        ("airy", {"memory_length": 100}, r"memory_length = 100 must lie in 1\.\.64"),
        (np.ones(4), {"memory_length": 9}, r"memory_length = 9 .* its memory length is 4$"),
        ("nope", {"rho": 3}, "no kernel family named 'nope'"),
        ("airy", {"rho": 3, "length": 2}, "^length: Input should be greater than or equal to 4$"),
        (
            "airy",
            {"rho": 3, "sequences": {"trian": 3}},
            r"sequences\.trian: unknown key; .*; did you mean train\?$",
        ),
        (np.eye(3), {}, "^the values of a kernel: give either rho or memory_length$"),
        ([1j], {}, "values of a kernel: must hold real numbers"),
        ([0.0, np.nan], {}, "values of a kernel: row 0 has values that are not finite"),
    ],
)
def test_what_is_no_task_is_said_in_one_line(
    kernel: Any, given: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message) as error:
        mf.Task(kernel, **given)
    assert "\n" not in str(error.value)


def test_values_have_no_knob_to_show() -> None:
    task = mf.Task([0.9, 0.5, 0.3])
    assert repr(task) == "Task(k(s) = the values, memory_length=3, length=64)"
    assert "rho" not in task._repr_html_()


def test_a_floor_needs_a_size() -> None:
    with pytest.raises(ValueError, match=r"state=8 or receptive_field=31"):
        mf.floor("airy", rho=4)
    with pytest.raises(ValueError, match=r"state = -1 must be 0 or more"):
        mf.floor("airy", rho=4, state=-1)


def test_a_memory_longer_than_half_of_the_sequences_is_refused_as_in_studies() -> None:
    assert mf.Task("impulse", memory_length=16, length=32).rho == 15
    with pytest.raises(ValueError, match=r"memory_length = 17 is longer than half.* at most 16"):
        mf.Task("impulse", memory_length=17, length=32)


def test_a_task_is_no_kernel() -> None:
    task = mf.Task("impulse", rho=3, length=32)
    with pytest.raises(ValueError, match=r"got a Task: .* task\.memory_length"):
        mf.memory_length(task)
