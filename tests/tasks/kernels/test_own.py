"""Kernels of one's own: families in a Python file, and values in a file."""

from __future__ import annotations

from pathlib import Path

import netCDF4
import numpy as np
import pytest

from mfbench.tasks.kernels.memory import (
    continued,
    memory_function,
    memory_length,
    rho_for_memory_length,
    window_weights,
)
from mfbench.tasks.kernels.own import own_kernel
from tests.tasks.kernels.own import write_family

T = 32
W = window_weights(T, 16)


def write_netcdf(path: Path, **variables: np.ndarray) -> str:
    with netCDF4.Dataset(path, "w") as file:
        for name, values in variables.items():
            dims = ("level", "lag")[-values.ndim :]
            for dim, size in zip(dims, values.shape, strict=True):
                if dim not in file.dimensions:
                    file.createDimension(dim, size)
            file.createVariable(name, values.dtype, dims)[...] = values
    return str(path)


def test_a_family_in_a_file_is_a_family(tmp_path: Path) -> None:
    reference = write_family(tmp_path / "mine.py", "np.exp(-((lag / rho) ** 2))")
    np.testing.assert_allclose(
        memory_function(reference, 3.0, 16), np.exp(-((np.arange(16) / 3) ** 2))
    )
    with pytest.raises(ValueError, match="greater than 0"):
        memory_function(reference, -1.0, 16)


@pytest.mark.parametrize(
    ("function", "about"),
    [
        ("np.exp(-((lag / rho) ** 2))", {}),
        ("np.exp(-lag * rho)", {"harder_when_larger": "False"}),
        ("rho**lag", {"high": "1.0"}),
        ("(lag == rho) * 1.0", {"integer": "True"}),
        ("rho**lag", {"high": "1.0", "grid": "lambda length: np.linspace(0.01, 0.99, 99)"}),
    ],
)
def test_memory_lengths_of_a_growing_family_are_found(
    function: str, about: dict[str, str], tmp_path: Path
) -> None:
    reference = write_family(tmp_path / "mine.py", function, **about)
    for m99 in (3, 8, 16):
        rho = rho_for_memory_length(reference, m99, T, W)
        assert memory_length(memory_function(reference, rho, T, W), W) == m99
        assert float(f"{rho:.6g}") == rho


def test_memory_lengths_of_a_family_that_does_not_grow_are_refused(tmp_path: Path) -> None:
    reference = write_family(
        tmp_path / "mine.py",
        "1.0 * (lag == np.round(8 * np.sin(rho) ** 2))",
        grid="lambda length: np.linspace(0.1, 3, 30)",
    )
    with pytest.raises(
        ValueError, match=r"mine\.py:FAMILY: its memory length does not grow .* give rho"
    ):
        rho_for_memory_length(reference, 4, T, W)
    # All are at most 9 long, so that none has to be told from others.
    with pytest.raises(ValueError, match=r"its memory lengths lie in"):
        rho_for_memory_length(reference, 10, T, W)


def test_values_are_levels_by_row_and_end_at_their_length(tmp_path: Path) -> None:
    rows = np.array([[4.0, 0.0, -2.0], [1.0, 1.0, 1.0]], dtype=np.float32)
    np.save(tmp_path / "a.npy", rows)
    np.save(tmp_path / "one.npy", rows[1].astype(np.int16))
    files = [
        str(tmp_path / "a.npy"),
        write_netcdf(tmp_path / "a.nc", memory_function=rows, weights=rows),
        write_netcdf(tmp_path / "b.nc", lag=np.arange(3), mine=rows),
    ]
    for file in files:
        np.testing.assert_array_equal(memory_function(file, 0.0, 5), [4, 0, -2, 0, 0])
        np.testing.assert_array_equal(memory_function(file, 1.0, 2), [1, 1])
        with pytest.raises(ValueError, match=r"rho = 2 .* a whole number, 0 to 1"):
            memory_function(file, 2.0, 5)
    one = str(tmp_path / "one.npy")
    k = memory_function(one, 0.0, 2, np.ones(2))
    np.testing.assert_allclose(continued(one, 0.0, k, 4), np.array([1, 1, 1, 0]) / np.sqrt(2))
    assert rho_for_memory_length(one, 3, T, W) == 0
    assert own_kernel(one).files == (tmp_path / "one.npy",)


@pytest.mark.parametrize(
    ("function", "said"),
    [
        ("lag * 1j", "must return real numbers, but returns complex128"),
        ("lag * np.nan", "is not finite at lag 0"),
        ("np.divide(1.0, lag)", "is not finite at lag 0"),
        ("lag[:-1]", r"returns the shape \(31,\) for 32 lags"),
        ("1 / 0", "raises ZeroDivisionError: division by zero"),
        ("np.array(['a'] * len(lag))", "must return real numbers"),
        ("0 * lag", "has no energy at lags 0..31"),
    ],
)
def test_a_function_that_is_wrong_is_named_with_its_file(
    function: str, said: str, tmp_path: Path
) -> None:
    reference = write_family(tmp_path / "mine.py", function)
    with pytest.raises(ValueError, match=rf"mine\.py:FAMILY.* rho = 2.* {said}") as caught:
        memory_function(reference, 2.0, T, W)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "function", ["lag / len(lag) + 1", "np.random.default_rng().random(len(lag))"]
)
def test_a_lag_has_one_value_however_many_are_asked_for(function: str, tmp_path: Path) -> None:
    reference = write_family(tmp_path / "mine.py", function)
    k = memory_function(reference, 2.0, T, W)
    with pytest.raises(ValueError, match=r"mine\.py:FAMILY, rho = 2: .* 128 lags"):
        continued(reference, 2.0, k, 4 * T)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("FAMILY = (", "SyntaxError: "),
        ("import nowhere", "ModuleNotFoundError: No module named 'nowhere'"),
        ("raise SystemExit(3)", "SystemExit: 3"),
        ("raise RuntimeError('one\\ntwo')", "RuntimeError: one"),
        ("OTHER = 1", "has no FAMILY; its families are: none"),
        (
            "from mfbench.tasks.kernels.airy import FAMILY as BELL",
            "has no FAMILY; its families are: BELL",
        ),
        ("FAMILY = lambda rho, lag: lag", "FAMILY must be a .*Family, not function"),
    ],
)
def test_a_module_that_is_wrong_is_named(text: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(text)
    with pytest.raises(ValueError, match=rf"mine\.py: {said}") as caught:
        own_kernel(f"{tmp_path}/mine.py:FAMILY")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (np.ones(3) * 1j, "must hold real numbers, but holds complex128"),
        (np.array(["a"]), "must hold real numbers"),
        (np.array([[1.0, 2.0], [3.0, np.inf]]), "row 1 has values that are not finite"),
        (np.array([[1, 2], [0, 0]]), "row 1 has no energy"),
        (np.ones((2, 2, 2)), r"must have the shape \(lag,\) or .* has \(2, 2, 2\)"),
        (np.ones(0), r"has \(0,\)"),
        (np.float64(1.0), r"has \(\)"),
        (np.array([None]), "Object arrays cannot be loaded"),
    ],
)
def test_values_that_are_wrong_are_named(values: np.ndarray, said: str, tmp_path: Path) -> None:
    np.save(tmp_path / "mine.npy", values)
    with pytest.raises(ValueError, match=rf"mine\.npy: .*{said}") as caught:
        own_kernel(f"{tmp_path}/mine.npy")
    assert "\n" not in str(caught.value)


def test_files_that_are_wrong_are_named(tmp_path: Path) -> None:
    for name in ("a.npy", "a.nc"):
        (tmp_path / name).write_text("no array")
        with pytest.raises(ValueError, match=rf"a\.{name[2:]}: "):
            own_kernel(f"{tmp_path}/{name}")
    two = write_netcdf(tmp_path / "two.nc", one=np.ones(3), other=np.ones(3))
    with pytest.raises(ValueError, match=r"two\.nc: needs a variable .* it has: one, other"):
        own_kernel(two)
    masked = write_netcdf(tmp_path / "masked.nc", k=np.ma.masked_equal([1.0, 2.0, 3.0], 2.0))
    with pytest.raises(ValueError, match=r"masked\.nc: row 0 has values that are not finite"):
        own_kernel(masked)


def test_helpers_of_one_name_in_two_folders_are_not_mixed_up(tmp_path: Path) -> None:
    for rate in (2.0, 3.0):
        folder = tmp_path / str(rate)
        folder.mkdir()
        (folder / "helper.py").write_text(f"RATE = {rate}\n")
        reference = write_family(folder / "mine.py", "RATE ** -lag", imports="from helper import *")
        np.testing.assert_allclose(memory_function(reference, 1.0, 4), rate ** -np.arange(4.0))
        assert own_kernel(reference).files == (folder / "helper.py", folder / "mine.py")


@pytest.mark.parametrize("factor", [2.0**-10, 1e-200, 7.3, 1e300])
def test_no_factor_of_a_kernel_matters(factor: float, tmp_path: Path) -> None:
    one = write_family(tmp_path / "one.py", "0.9**lag")
    scaled = write_family(tmp_path / "scaled.py", f"{factor!r} * 0.9**lag")
    k, other = (memory_function(kernel, 2.0, T, W) for kernel in (one, scaled))
    np.testing.assert_allclose(other, k, rtol=1e-14)
    longer = [continued(kernel, 2.0, k, 2 * T) for kernel in (one, scaled)]
    np.testing.assert_allclose(longer[1], longer[0], rtol=1e-14)
