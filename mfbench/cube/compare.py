"""Compare two cubes cell by cell: what differs beyond the noise between seeds?"""

from __future__ import annotations

import json

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy.stats import false_discovery_control

from mfbench.cube.failure_boundaries import GROUP
from mfbench.cube.intervals import Interval, decades, difference_interval, mean_interval
from mfbench.cube.select import longest, selected, trained
from mfbench.files.integrity import differences

FALSE_SHARE = 0.1  # largest expected share of chance findings among the cells that differ
_SECTIONS = ("task", "training", "evaluation")
_Task = tuple[float, float]  # rho, memory length


def compare_cubes(a: xr.Dataset, b: xr.Dataset) -> xr.Dataset:
    """Compare the errors of all cells that two cubes share.

    Each seed counts at its selected learning rate and with the largest budget; a diverged seed
    counts as an error of 10. If a cell has the same seeds in both cubes, the interval is that of
    the differences by seed, otherwise Welch's. Levels are matched by kernel and `rho` or, if the
    tasks differ, by kernel and memory length.

    Parameters
    ----------
    a, b : Dataset
        Cubes as `open_benchmark` returns them, or parts of some.

    Returns
    -------
    Dataset
        Over the architectures, widths and kernels of both cubes and the levels of `a`, NaN where a
        cell was not trained in both:

        - ``error_a``, ``error_b``: geometric means over seeds;
        - ``log10_ratio``: log10 of ``error_b / error_a``, negative where `b` is better, with its
          90 % interval ``low`` .. ``high`` and the p-value of a ratio of 1 (NaN for a single seed);
        - ``differs``: whether the ratio is not 1. Each p-value is judged in view of how many cells
          are compared (Benjamini & Hochberg, 1995), so that at most 10 % of the cells that differ
          are expected to do so by chance.

        Attributes: ``only_in_a`` and ``only_in_b``, the numbers of cells trained in one cube only,
        and ``other_settings``, a list of lines that say in what the cubes differ.

    Examples
    --------
    >>> import mfbench as mf
    >>> cube = mf.open("results/small/cubes/benchmark.nc")
    >>> comparison = compare_cubes(cube, cube)
    >>> float(abs(comparison.log10_ratio).max()), int(comparison.differs.sum())
    (0.0, 0)
    """
    one, other = _scores(a), _scores(b)
    shared = {name: [v for v in one[name].values if v in other[name].values] for name in GROUP}
    first = one.sel(shared)
    second = _at_levels_of(first, other.sel(shared), same_task=_same_task(a, b))
    both = (first.notnull().any("seed") & second.notnull().any("seed")).values
    seeds = first.seed.values, second.seed.values
    numbers = {
        name: np.full(both.shape, np.nan)
        for name in ("error_a", "error_b", "log10_ratio", "low", "high", "p_value")
    }
    for at in map(tuple, np.argwhere(both)):
        pair = first.values[at], second.values[at]
        means = [float(np.nanmean(scores)) for scores in pair]
        numbers["error_a"][at], numbers["error_b"][at] = (10**mean for mean in means)
        numbers["log10_ratio"][at] = means[1] - means[0]
        if found := _interval(*pair, *seeds):
            numbers["low"][at], numbers["high"][at] = found.low, found.high
            below = found.at_most(0.0)
            numbers["p_value"][at] = 2 * min(below, 1 - below)
    coordinates = {name: first[name] for name in (*GROUP, "level", "rho", "memory_length")}
    dims = (*GROUP, "level")
    return xr.Dataset(
        {name: (dims, values) for name, values in numbers.items()}
        | {"differs": (dims, _discoveries(numbers["p_value"]))},
        coords=coordinates,
        attrs={
            "only_in_a": int(one.notnull().any("seed").sum()) - int(both.sum()),
            "only_in_b": int(other.notnull().any("seed").sum()) - int(both.sum()),
            "other_settings": _other_settings(a, b, shared["architecture"]),
            "apart": [
                f"no {name} in both: A has {_listed(one, name)}, B has {_listed(other, name)}"
                for name in GROUP
                if not shared[name]
            ],
        },
    )


def _listed(scores: xr.DataArray, name: str) -> str:
    return ", ".join(map(str, scores[name].values.tolist()))


def _scores(cube: xr.Dataset) -> xr.DataArray:
    """log10 of the error by seed, NaN where nothing was trained."""
    best = selected(longest(cube[["status", "relative_mse", "selected_learning_rate"]]))
    error = best.relative_mse.where(best.status != "diverged", np.inf).where(trained(best))
    scores: xr.DataArray = error.copy(data=decades(error.values)).drop_vars(
        "budget", errors="ignore"
    )
    scores = scores.assign_coords({name: cube[name] for name in ("rho", "memory_length")})
    return scores.transpose(*GROUP, "level", "seed").sortby("seed")


def _at_levels_of(one: xr.DataArray, other: xr.DataArray, *, same_task: bool) -> xr.DataArray:
    """The scores of another cube at the levels of this one, NaN where it has no such level."""
    found = np.full((*one.shape[:-1], other.sizes["seed"]), np.nan)
    for k in range(one.sizes["kernel"]):
        tasks, others = (
            list(
                zip(cube.rho.values[k].tolist(), cube.memory_length.values[k].tolist(), strict=True)
            )
            for cube in (one, other)
        )
        for i, j in _same_levels(tasks, others, same_task=same_task).items():
            found[:, :, k, i] = other.values[:, :, k, j]
    return xr.DataArray(found, dims=one.dims, coords={"seed": other.seed})


def _same_levels(tasks: list[_Task], others: list[_Task], *, same_task: bool) -> dict[int, int]:
    """Match levels of the same rho; if the task differs, then those of the same memory length."""
    pairs: dict[int, int] = {}
    for parts in (slice(None), slice(1, None))[: 1 if same_task else 2]:
        for i, task in enumerate(tasks):
            if i not in pairs:
                left = (j for j, t in enumerate(others) if t[parts] == task[parts])
                if (j := next((j for j in left if j not in pairs.values()), None)) is not None:
                    pairs[i] = j
    return pairs


def _interval(
    one: NDArray[np.float64],
    other: NDArray[np.float64],
    seeds: NDArray[np.int64],
    other_seeds: NDArray[np.int64],
) -> Interval | None:
    """The interval of the second minus the first, if there are enough seeds."""
    here, there = ~np.isnan(one), ~np.isnan(other)
    if min(here.sum(), there.sum()) < 2:
        return None
    if np.array_equal(seeds[here], other_seeds[there]):
        return mean_interval(other[there] - one[here])
    return difference_interval(other[there], one[here])


def _discoveries(p_values: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which p-values are small in view of how many there are."""
    found = np.zeros(p_values.shape, bool)
    known = ~np.isnan(p_values)
    if known.any():
        found[known] = false_discovery_control(p_values[known]) <= FALSE_SHARE
    return found


def _same_task(a: xr.Dataset, b: xr.Dataset) -> bool:
    """Whether the section `task` of their settings is known and the same."""
    sections = [json.loads(cube.attrs.get("settings", "{}")).get("task") for cube in (a, b)]
    return None not in sections and not any(differences(*sections, exact=True))


def _other_settings(a: xr.Dataset, b: xr.Dataset, architectures: list[str]) -> list[str]:
    """The settings that differ, as 'training.steps = [20], not [10]'."""
    if not {"settings"} <= a.attrs.keys() & b.attrs.keys():
        return []
    one, other = (json.loads(cube.attrs["settings"]) for cube in (a, b))
    lines = [
        line
        for section in _SECTIONS
        for line in differences(
            other.get(section), one.get(section), exact=True, name=f".{section}"
        )
    ]
    for name in architectures:
        entries = [
            {
                k: v
                for k, v in settings.get("architectures", {}).get(name, {}).items()
                if k != "widths"
            }
            for settings in (other, one)
        ]
        lines += differences(*entries, exact=True, name=f".architectures.{name}")
    return lines
