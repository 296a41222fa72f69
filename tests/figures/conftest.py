"""A cube with known numbers, as open_benchmark returns it."""

from __future__ import annotations

import json

import numpy as np
import pytest
import xarray as xr

from mfbench.cube.failure_boundaries import boundary_variables

ARCHITECTURES, KERNELS, LENGTHS = ["b", "a"], ["impulse", "airy"], [4, 8, 16]
RHO = np.array([[3.0, 7.0, 15.0], [2.0, 5.0, 13.0]])


PER_MEMBER = (
    *("relative_mse", "relative_mse_standard_error", "validation_error"),
    *("learned_memory_function", "optimisation_part", "kernel_error", "time_variation"),
    *("squared_bias", "nonlinear_residual", "memory_over_training", "perturbation_error"),
    *("generalisation_error", "memory_capacity", "total_memory_capacity", "readout_error"),
    "learned_memory_function_standard_error",
)


def spoil(cube: xr.Dataset, status: str, at: dict[str, int]) -> None:
    """Make members absent, diverged or failed: their measurements become NaN."""
    cube.status[at] = status
    for name in PER_MEMBER:
        cube[name][at] = np.nan
    if status != "diverged":
        here = {dim: i for dim, i in at.items() if dim in cube.message.dims}
        cube.selected_learning_rate[here] = np.nan
        cube.selected_rate_edge[here] = np.nan
        if status == "failed":
            cube.message[here] = "architecture own, width 8: KeyError: 'mine'"


def with_boundaries(cube: xr.Dataset) -> xr.Dataset:
    """Recompute the failure boundaries of a cube."""
    return cube.assign(boundary_variables(cube).data_vars)


def make_cube(widths: tuple[int, ...] = (8,)) -> xr.Dataset:
    """A cube with known numbers.

    The error of seed s at level l is 0.01 * 4^l * (1 + s) at the second learning rate, which is
    selected: nine tenths kernel error, one tenth nonlinear residual. The floors of the first
    architecture are a quarter and a half of the median error, those of the second are 0. All
    targets are 1 at lags 0 to 3; models learn lag s at validation s, so they never learn lag 3.
    The state of the first architecture holds the last 3 + level inputs, from which a readout solves
    all tasks; that of the second is not known.
    """
    grid = ("architecture", "width", "kernel", "level")
    member = (*grid, "learning_rate", "seed")
    sizes = (len(ARCHITECTURES), len(widths), len(KERNELS), 3)
    shape = (*sizes, 2, 3)
    level = np.arange(3.0)[:, None, None]
    rate = np.array([5.0, 1.0])[None, :, None]
    seed = 1 + np.arange(3.0)[None, None, :]
    error = np.broadcast_to(0.01 * 4.0**level * rate * seed, shape).copy()
    lag, step = np.arange(32), np.array([1, 10, 100])
    curve = error[..., None] * np.array([3.0, 2.0, 1.0])
    learned = np.broadcast_to(0.9**lag, (*shape, 32)).copy()
    k = np.broadcast_to(np.where(lag < 4, 1.0, 0.0), (2, 3, 32))
    over_training = np.where(lag <= np.arange(3)[:, None], k[0, 0], 0.0)
    has_floor = np.array([1.0, 0.0])[:, None, None, None]
    upper = np.broadcast_to(0.5 * has_floor * 0.02 * 4.0 ** np.arange(3.0), sizes).copy()
    optimisation = np.log10(error / np.maximum(upper, 1e-6)[..., None, None])
    known = np.array([1.0, np.nan])[:, None, None, None, None, None]
    held = known[..., None] * (lag < 3 + level[..., None]) * np.ones((*shape, 1))
    cube = xr.Dataset(
        {
            "status": (member, np.full(shape, "ok", dtype=object)),
            "relative_mse": (member, error),
            "relative_mse_standard_error": (member, 0.01 * error),
            "validation_error": ((*member, "step"), curve),
            "learned_memory_function": ((*member, "lag"), learned),
            "learned_memory_function_standard_error": ((*member, "lag"), 0.0 * learned),
            "memory_capacity": ((*member, "lag"), held),
            "total_memory_capacity": (member, held.sum(-1)),
            "readout_error": (member, 0.001 * known * np.ones(shape)),
            "seconds": (member, np.full(shape, 2.0)),
            "selected_learning_rate": ((*grid, "seed"), np.full((*sizes, 3), 0.01)),
            "selected_rate_edge": (grid, np.full(sizes, 1.0)),
            "message": (grid, np.full(sizes, "", dtype=object)),
            "memory_function": (("kernel", "level", "lag"), k.copy()),
            "weights": ("lag", np.ones(32)),
            "lower_floor": (grid, upper / 2),
            "upper_floor": (grid, upper),
            "approximation_part": (grid, np.log10(upper, where=upper > 0, out=upper - np.inf)),
            "optimisation_part": (member, optimisation),
            "kernel_error": (member, 0.9 * error),
            "time_variation": (member, 0.0 * error),
            "squared_bias": (member, -1e-6 + 0.0 * error),
            "nonlinear_residual": (member, 0.1 * error),
            "memory_over_training": (
                (*member, "step", "lag"),
                np.broadcast_to(over_training, (*shape, 3, 32)).copy(),
            ),
            "perturbation_error": (
                (*member, "perturbation"),
                error[..., None] * np.array([1.0, 2.0, 10.0]),
            ),
            "generalisation_error": (
                (*member, "length_factor"),
                error[..., None] * np.array([2.0, 3.0]),
            ),
        },
        coords={
            "architecture": ARCHITECTURES,
            "width": list(widths),
            "kernel": KERNELS,
            "level": [0, 1, 2],
            "learning_rate": [0.003, 0.01],
            "seed": [0, 1, 2],
            "lag": lag,
            "step": step,
            "perturbation": [0.0, 0.01, 0.1],
            "length_factor": [2, 4],
            "order": (("kernel", "level"), np.array([[4.0, 8.0, 16.0], [2.0, 3.0, 4.0]])),
            "rho": (("kernel", "level"), RHO.copy()),
            "memory_length": (("kernel", "level"), np.array([LENGTHS, LENGTHS], float)),
            "parameters": (("architecture", "width"), np.full(sizes[:2], 100.0)),
            "state_size": (
                ("architecture", "width"),
                np.array([[16.0] * len(widths), [np.nan] * len(widths)]),
            ),
        },
        attrs={
            "settings": json.dumps(
                {
                    "name": "known",
                    "task": {
                        "length": 32,
                        "scored_from": 16,
                        "sequences": {"train": 1, "validation": 2, "test": 3},
                    },
                    "kernels": {
                        kernel: [
                            {"family": kernel, "rho": rho, "memory_length": m}
                            for rho, m in zip(rhos, LENGTHS, strict=True)
                        ]
                        for kernel, rhos in zip(KERNELS, RHO.tolist(), strict=True)
                    },
                    "evaluation": {"success": 0.1},
                    "training": {
                        "steps": [100],
                        "batch_size": 4,
                        "learning_rates": [0.003, 0.01],
                        "seeds": [0, 1, 2],
                    },
                }
            ),
            "package_versions": json.dumps({"numpy": "2.0"}),
            "git_commit": "0123abc",
            "history": "2026-01-01T00:00:00+00:00: written by mfbench",
        },
    )  # fmt: skip
    return with_boundaries(cube)


def with_baselines(cube: xr.Dataset) -> xr.Dataset:
    """Add baselines: a ridge regression that solves two levels, linear systems that solve one.

    The second architecture has no fixed state, and so no linear system.
    """
    tasks = xr.full_like(cube.rho, 1.0).drop_vars(cube.rho.coords)
    levels = xr.DataArray(np.array([1.0, 2.0, 20.0]), dims="level")
    systems = xr.DataArray([0.05, np.nan], dims="architecture") * levels * cube.lower_floor**0
    return cube.assign(
        zero_error=tasks,
        ridge_error=0.04 * tasks * levels,
        ridge_window=4 * tasks * levels,
        linear_system_error=systems.transpose(*cube.lower_floor.dims),
    )


@pytest.fixture
def cube() -> xr.Dataset:
    return make_cube()
