"""Datasets against the direct sum, scipy's filter, and what their streams promise."""

from __future__ import annotations

import json
from pathlib import Path

import netCDF4
import numpy as np
import pytest
from scipy.signal import lfilter

from mfbench.files import BrokenFileError, atomic
from mfbench.study.task import TaskSettings
from mfbench.tasks.datasets import (
    SPLITS,
    blocks,
    new_inputs,
    read_dataset,
    write_dataset,
)
from mfbench.tasks.kernels import memory_function, window_weights
from mfbench.tasks.past import convolve, convolve_directly


def settings(**changes: object) -> TaskSettings:
    given = {"length": 24, "sequences": {"train": 40, "validation": 10, "test": 12}, **changes}
    return TaskSettings.model_validate(given)


def generate(task: TaskSettings, split: str, k: np.ndarray, block: int | None = None):
    parts = list(blocks(task, split, k, block=block))
    return np.concatenate([p[1] for p in parts]), np.concatenate([p[2] for p in parts])


@pytest.mark.parametrize("length", [1, 2, 17, 64])
def test_fft_targets_equal_the_direct_sum(length: int, rng: np.random.Generator) -> None:
    x, k = rng.standard_normal((3, length)), rng.standard_normal(length)
    np.testing.assert_allclose(convolve(x, k), convolve_directly(x, k), atol=1e-12)


def test_exponential_targets_equal_scipys_recursive_filter(rng: np.random.Generator) -> None:
    x = rng.standard_normal((4, 300))
    k = memory_function("exponential", 0.93, 300)
    np.testing.assert_allclose(convolve(x, k), lfilter([1.0], [1.0, -0.93], x), atol=1e-10)


def test_written_targets_are_the_direct_sum_of_the_written_input(tmp_path: Path) -> None:
    write_dataset(tmp_path / "a.nc", settings=settings(), family="airy", rho=6.5)
    task = read_dataset(tmp_path / "a.nc")
    for split in SPLITS:
        direct = convolve_directly(task.x[split].astype(float), task.kernel)
        np.testing.assert_allclose(task.y[split], direct, atol=1e-6)
        assert task.x[split].dtype == task.y[split].dtype == np.float32


def test_the_block_size_does_not_change_the_numbers() -> None:
    task, k = settings(noise=0.3), np.ones(24)
    for block in (1, 7, 40):
        for got, expected in zip(
            generate(task, "train", k, block), generate(task, "train", k), strict=True
        ):
            np.testing.assert_array_equal(got, expected)


def test_all_kernels_of_a_study_share_their_inputs(tmp_path: Path) -> None:
    for name, family, rho in (("a.nc", "impulse", 5.0), ("b.nc", "polynomial", 1.5)):
        write_dataset(tmp_path / name, settings=settings(), family=family, rho=rho)
    a, b = read_dataset(tmp_path / "a.nc"), read_dataset(tmp_path / "b.nc")
    for split in SPLITS:
        np.testing.assert_array_equal(a.x[split], b.x[split])


def test_splits_and_seeds_are_independent_streams() -> None:
    k = np.eye(1, 24)[0]
    drawn = [generate(settings(), split, k)[0][:10].ravel() for split in SPLITS]
    drawn.append(generate(settings(seed=1), "train", k)[0][:10].ravel())
    correlation = np.corrcoef(drawn) - np.eye(4)
    assert np.abs(correlation).max() < 5 / np.sqrt(240)


def test_a_split_does_not_depend_on_the_size_of_the_others() -> None:
    k = np.eye(1, 24)[0]
    more = settings(sequences={"train": 400, "validation": 10, "test": 12})
    np.testing.assert_array_equal(generate(more, "test", k)[0], generate(settings(), "test", k)[0])


@pytest.mark.parametrize("distribution", ["normal", "uniform", "rademacher"])
def test_the_input_is_white_with_variance_1(distribution: str) -> None:
    task = settings(
        length=64,
        input={"distribution": distribution},
        sequences={"train": 4000, "validation": 1, "test": 2},
    )
    x = generate(task, "train", np.eye(1, 64)[0])[0].astype(float)
    assert x.mean() == pytest.approx(0, abs=5 / np.sqrt(x.size))
    assert x.var() == pytest.approx(1.0, rel=0.02)
    assert np.mean(x[:, 1:] * x[:, :-1]) == pytest.approx(0, abs=5 / np.sqrt(x.size))


def test_the_zero_predictor_scores_a_relative_error_of_one() -> None:
    task = settings(length=64, sequences={"train": 4000, "validation": 1, "test": 2})
    weights = window_weights(64, 32)
    y = generate(task, "train", memory_function("airy", 20.0, 64, weights))[1].astype(float)
    assert np.mean(y[:, 32:] ** 2) == pytest.approx(1.0, rel=0.02)


def test_noise_is_of_the_size_asked_for_and_never_on_the_test_targets() -> None:
    k = memory_function("exponential", 0.6, 24, window_weights(24, 12))
    noisy, clean = settings(noise=0.5), settings()
    for split, size in (("train", 0.5), ("validation", 0.5), ("test", 0.0)):
        (x, y), (x_clean, y_clean) = generate(noisy, split, k), generate(clean, split, k)
        np.testing.assert_array_equal(x, x_clean)
        assert np.std(y - y_clean) == pytest.approx(size, rel=0.15)


def test_the_file_describes_itself(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "a.nc"
    write_dataset(path, settings=settings(), family="impulse", rho=5)
    with netCDF4.Dataset(path) as file:
        for name in ("family", "rho", "memory_length", "sequence_length", "scored_from",
                     "git_commit", "package_versions", "seeds", "settings"):  # fmt: skip
            assert name in file.ncattrs()
        assert file.Conventions.startswith("CF-1.")
        assert (file.family, file.memory_length, file.sequence_length) == ("impulse", 6, 24)
        assert json.loads(file.settings)["file"] == {"kernel": "impulse", "rho": 5}
        assert "numpy" in json.loads(file.package_versions)
        for variable in file.variables.values():
            assert {"long_name", "units"} <= set(variable.ncattrs())
        assert not file["x"].filters()["zlib"]
        assert file["split"].flag_meanings == "train validation test"
    assert [p.name for p in path.parent.iterdir()] == ["a.nc"]  # no temporary file left


def test_foreign_and_missing_files_are_named(tmp_path: Path) -> None:
    with atomic(tmp_path / "other.nc") as temporary, netCDF4.Dataset(temporary, "w") as file:
        file.createDimension("z", 1)
    with pytest.raises(BrokenFileError, match=r"other\.nc: not an mfbench dataset file: it lacks"):
        read_dataset(tmp_path / "other.nc")
    with pytest.raises(OSError, match=r"missing\.nc"):
        read_dataset(tmp_path / "missing.nc")


@pytest.mark.parametrize("distribution", ["normal", "uniform", "rademacher"])
def test_new_inputs_are_of_the_tasks_kind_and_in_no_split(
    distribution: str, tmp_path: Path
) -> None:
    for seed in (0, 1):
        made = settings(input={"distribution": distribution}, seed=seed)
        write_dataset(tmp_path / f"{seed}.nc", settings=made, family="airy", rho=6.5)
    task, other = (read_dataset(tmp_path / f"{seed}.nc") for seed in (0, 1))
    assert (task.distribution, task.seed, other.seed) == (distribution, 0, 1)
    x = new_inputs(task, 0, count=2000, length=10)
    assert x.shape == (2000, 10)
    assert x.dtype == np.float32
    assert x.std() == pytest.approx(1.0, rel=0.02)
    assert x.mean() == pytest.approx(0.0, abs=0.04)
    kurtosis = {"normal": 3.0, "uniform": 1.8, "rademacher": 1.0}[distribution]
    assert np.mean(x**4) == pytest.approx(kurtosis, rel=0.1)
    np.testing.assert_array_equal(x, new_inputs(task, 0, count=2000, length=10))
    for stranger in (
        new_inputs(task, 1, count=2000, length=10),
        new_inputs(other, 0, count=2000, length=10),
        *(np.resize(task.x[split], x.shape) for split in SPLITS),
    ):
        assert not np.allclose(x[0], stranger[0])
