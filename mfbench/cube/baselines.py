"""The baselines of a study's tasks as variables of the cube."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from mfbench.baselines.netcdf import Baselines
from mfbench.files.netcdf import about

_OF_A_TASK = ("zero_error", "ridge_error", "ridge_window")
_LINEAR_SYSTEM = "linear_system_error"
_ON_TEST = "on the test sequences and scored steps of relative_mse, and relative to the same"
_ABOUT = {
    "zero_error": about("relative mean squared error of predicting zero", comment=_ON_TEST),
    "ridge_error": about(
        "relative mean squared error of ridge regression on a window of the input",
        comment=f"{_ON_TEST}; window and penalty are chosen on the validation split",
    ),
    "ridge_window": about("number of lags that the ridge regression sees"),
    _LINEAR_SYSTEM: about(
        "relative mean squared error of the best linear system of the model's state size we know",
        comment=f"{_ON_TEST}; lag 0 costs no state, and marks are no help to a linear system; NaN "
        "if the state can hold the whole sequence or has no fixed size",
    ),
}


def baseline_variables(
    group: Mapping[Any, Any], known: Mapping[float, Baselines]
) -> dict[str, xr.Variable]:
    """Variables over the levels of a group, NaN where nothing is known.

    Parameters
    ----------
    group : mapping
        The ``rho`` and the ``state_size`` of each level, which may be NaN.
    known : mapping
        The baselines of the group's kernel by rho.
    """
    values: dict[str, list[float]] = {name: [] for name in _ABOUT}
    for rho, size in zip(
        *(np.asarray(group[n]).tolist() for n in ("rho", "state_size")), strict=True
    ):
        task = known.get(rho)
        for name in _OF_A_TASK:
            values[name].append(getattr(task, name, np.nan))
        systems = task.linear_system_error if task else {}
        values[_LINEAR_SYSTEM].append(systems.get(size, np.nan))
    return {
        name: xr.Variable("level", np.array(values[name], float), attributes)
        for name, attributes in _ABOUT.items()
    }
