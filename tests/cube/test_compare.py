"""Cubes are compared cell by cell, in view of the noise between seeds."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from scipy import stats

from mfbench.cube.compare import compare_cubes
from tests.predictions.cubes import Member, make_cube, study_of

LENGTHS = [4, 8, 16]


def cube(error, *, lengths=LENGTHS, names=("rnn", "gru"), **sections) -> xr.Dataset:
    study = study_of(
        kernels={"exponential": {"memory_length": lengths}},
        architectures={name: {"widths": [4]} for name in names},
        **sections,
    )
    return make_cube(study, error)


def noisy(rng: np.random.Generator, spread: float, **shift: float):
    """Errors of 0.1 with a spread in decades, shifted for some architectures."""

    def error(member: Member) -> float:
        return float(10 ** (-1 + shift.get(member.name, 0.0) + spread * rng.standard_normal()))

    return error


def test_ratios_and_intervals_are_those_of_the_t_tests(rng: np.random.Generator) -> None:
    a, b = cube(noisy(rng, 0.3)), cube(noisy(rng, 0.3, gru=-0.4))
    found = compare_cubes(a, b).squeeze("width").sel(kernel="exponential")
    x, y = (np.log10(c.relative_mse.squeeze(["width", "learning_rate", "kernel"])) for c in (a, b))
    np.testing.assert_allclose(found.log10_ratio, (y - x).mean("seed"))
    np.testing.assert_allclose(found.error_a, 10 ** x.mean("seed"))
    paired = stats.ttest_rel(y, x, axis=-1)
    np.testing.assert_allclose(found.p_value, paired.pvalue)
    np.testing.assert_allclose(found.high, paired.confidence_interval(0.9).high)
    welch = stats.ttest_ind(y, x, axis=-1, equal_var=False)
    other = compare_cubes(a, b.assign_coords(seed=b.seed + 5)).squeeze(["width", "kernel"])
    np.testing.assert_allclose(other.p_value, welch.pvalue)
    np.testing.assert_allclose(other.low, welch.confidence_interval(0.9).low)


def test_what_differs_is_found_and_little_differs_by_chance(rng: np.random.Generator) -> None:
    one = cube(lambda member: 0.1, lengths=[4, 6, 8, 10, 12, 14, 16, 20])
    true = xr.DataArray([0.0, 0.6], dims="architecture", coords={"architecture": ["rnn", "gru"]})

    def another(shift: xr.DataArray) -> xr.Dataset:
        noise = xr.zeros_like(one.relative_mse) + 0.1 * rng.standard_normal(one.relative_mse.shape)
        return one.assign(relative_mse=one.relative_mse * 10 ** (noise + shift))

    shares = []
    for _ in range(30):
        differs = compare_cubes(another(0 * true), another(true)).differs
        assert differs.sel(architecture="gru").sum() >= 7
        shares.append(float(differs.sel(architecture="rnn").sum() / differs.sum()))
    assert 0.01 < np.mean(shares) < 0.1
    assert not compare_cubes(one, one).differs.any()


def test_cells_of_one_cube_only_are_counted() -> None:
    def error(member: Member) -> float:
        return np.nan if (member.name, member.memory_length) == ("rnn", 4) else 0.1

    a, b = cube(error), cube(lambda member: 0.1, lengths=[4, 8, 16, 24], names=("s4d", "rnn"))
    found = compare_cubes(a, b)
    assert found.architecture.values.tolist() == ["rnn"]
    assert found.log10_ratio.notnull().squeeze().values.tolist() == [False, True, True]
    assert (found.attrs["only_in_a"], found.attrs["only_in_b"]) == (3, 6)
    assert found.attrs["other_settings"] == []
    assert found.attrs["apart"] == []
    width = int(a.width[0])
    apart = compare_cubes(a, a.assign_coords(width=a.width + 1)).attrs["apart"]
    assert apart == [f"no width in both: A has {width}, B has {width + 1}"]


def test_levels_of_the_same_task_are_matched_by_rho_alone() -> None:
    one = cube(lambda member: 0.1)
    other = one.assign_coords(rho=one.rho + 0.001)
    assert compare_cubes(one, other).log10_ratio.isnull().all()


def test_a_cell_is_paired_by_its_own_seeds(rng: np.random.Generator) -> None:
    draw = noisy(rng, 0.3)
    a = cube(draw)
    b = cube(
        lambda member: np.nan if member.seed == 7 else draw(member),
        training={"seeds": [4, 3, 2, 1, 0, 7], "learning_rates": [0.01]},
    )
    x, y = (np.log10(c.relative_mse.squeeze(["width", "learning_rate", "kernel"])) for c in (a, b))
    paired = stats.ttest_rel(y.sel(seed=x.seed), x, axis=-1)
    found = compare_cubes(a, b).squeeze(["width", "kernel"])
    np.testing.assert_allclose(found.p_value, paired.pvalue)
    back = compare_cubes(a, b.isel(seed=slice(None, None, -1))).squeeze(["width", "kernel"])
    np.testing.assert_allclose(back.p_value, paired.pvalue)


def test_other_tasks_are_named_and_matched_by_memory_length() -> None:
    task = {"length": 128, "sequences": {"train": 64, "validation": 8, "test": 8}}
    a = cube(lambda member: 0.1)
    b = cube(lambda member: 0.1 * member.memory_length, task=task)
    assert not np.isin(a.rho, b.rho).all()
    found = compare_cubes(a, b)
    expected = np.broadcast_to(np.log10(LENGTHS), (2, 1, 1, 3))
    np.testing.assert_allclose(found.log10_ratio, expected)
    assert found.attrs["other_settings"] == [
        "task.length = 128, not 64",
        "task.scored_from = 64, not 32",
    ]


@pytest.mark.parametrize(("error", "ratio"), [(np.inf, 2.0), (1e-12, -7.0)])
def test_a_diverged_seed_counts_as_ten_and_tiny_errors_as_rounding(error, ratio) -> None:
    found = compare_cubes(cube(lambda member: 0.1), cube(lambda member: error))
    np.testing.assert_allclose(found.log10_ratio, ratio)
    assert found.differs.all()


def test_one_seed_decides_nothing() -> None:
    training = {"seeds": [0], "learning_rates": [0.01]}
    found = compare_cubes(*(cube(lambda m, e=e: e, training=training) for e in (0.1, 0.001)))
    np.testing.assert_allclose(found.log10_ratio, -2)
    assert found.low.isnull().all()
    assert not found.differs.any()
