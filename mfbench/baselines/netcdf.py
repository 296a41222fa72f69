"""The baselines of one task in a NetCDF file."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np
from numpy.typing import NDArray

from mfbench.baselines.ridge import fit_ridge
from mfbench.files import check_identity, check_variables, provenance, sealed
from mfbench.files.netcdf import about, write_netcdf
from mfbench.files.paths import rho_text
from mfbench.tasks.datasets import Task, read_dataset
from mfbench.tasks.kernels.marks import Marks
from mfbench.tasks.kernels.memory import window_weights
from mfbench.tasks.past import convolve


@dataclass(frozen=True)
class Baselines:
    """Errors of the baselines on the test split of one task, relative to the target's variance.

    Attributes
    ----------
    zero_error : float
        Of predicting zero: 1 up to sampling error.
    ridge_error : float
        Of ridge regression on a window.
    ridge_window : int
        Its number of lags.
    ridge_penalty : float
        Its penalty.
    linear_system_error : dict
        State size -> error of the best linear system found.
    """

    zero_error: float
    ridge_error: float
    ridge_window: int
    ridge_penalty: float
    linear_system_error: Mapping[int, float]


def baselines(
    task: Task,
    state_sizes: Sequence[int],
    *,
    known: Mapping[int, NDArray[np.float64]] | None = None,
) -> Baselines:
    """All baselines of a task.

    Parameters
    ----------
    task : Task
        With all its splits.
    state_sizes : sequence of int
        State sizes of linear systems, below T.
    known : mapping, optional
        Impulse responses (T,) from x of systems that have been found before, by state size.
    """
    ridge = fit_ridge(task)
    x = task.x["test"].astype(np.float64)
    systems = {}
    for n in state_sizes:
        if known is not None and n in known:
            h = known[n]
        else:
            h = best_response(task.kernel, n, scored_from=task.scored_from, marks=task.marks)
        systems[n] = relative_error(convolve(x, h), task)
    return Baselines(
        zero_error=relative_error(np.zeros_like(x), task),
        ridge_error=relative_error(ridge.predict(task.inputs("test")), task),
        ridge_window=ridge.window,
        ridge_penalty=ridge.penalty,
        linear_system_error=systems,
    )


def best_response(
    k: NDArray[np.float64], order: int, *, scored_from: int, marks: Marks | None = None
) -> NDArray[np.float64]:
    """Impulse response (T,) from x of the best linear system of this order that the floors find.

    Marks are no help to a linear system, so in marked tasks it fits what x alone says about the
    target, as in `mfbench.floors.netcdf.Floors.of_linear_model`.

    Parameters
    ----------
    k : (T,) array
        Memory function.
    order : int
        Number of real states, below T; lag 0 costs none.
    scored_from : int
        First scored step.
    marks : Marks, optional
        How the task uses marks.
    """
    from mfbench.floors.upper import upper_bound  # scipy is slow to import

    seen = k if marks is None else marks.linear_kernel(k)
    weights = window_weights(len(k), scored_from)
    return upper_bound(seen, weights, order, feedthrough=True).impulse_response


def relative_error(predictions: NDArray[np.float64], task: Task) -> float:
    """Mean squared error of predictions (N, T) at the scored steps of the test split."""
    residual = predictions - task.y["test"]
    return float(np.mean(residual[:, task.scored_from :] ** 2))


def write_baselines(
    path: str | Path,
    *,
    dataset: str | Path,
    floors: str | Path,
    task: Mapping[str, Any],
    state_sizes: Sequence[int],
    kernel: str,
    rho: float,
) -> None:
    """Compute the baselines of one task and write them.

    Parameters
    ----------
    path : path
        NetCDF file to write.
    dataset, floors : path
        The files of the task.
    task : mapping
        The ``task`` section of the study.
    state_sizes : sequence of int
        State sizes of linear systems, below T.
    kernel : str
        The kernel's name in the study.
    rho : float
        Its knob.

    Raises
    ------
    OSError
        A file is missing.
    BrokenFileError
        A file is corrupt or of another task.
    """
    data = read_dataset(dataset, task=task)
    found = baselines(data, state_sizes, known=_known_responses(floors, data))
    sizes = np.array(list(found.linear_system_error), dtype="i4")
    errors = np.array(list(found.linear_system_error.values()), dtype="f8")
    resolved = {"task": dict(task), "file": {"kernel": kernel, "rho": rho}}
    write_netcdf(
        path,
        {
            "zero_error": ((), found.zero_error, about("relative error of predicting zero")),
            "ridge_error": ((), found.ridge_error, about("relative error of ridge regression")),
            "ridge_window": ((), np.int32(found.ridge_window), about("lags that it sees")),
            "ridge_penalty": ((), found.ridge_penalty, about("its penalty")),
            "state_size": (("state_size",), sizes, about("real numbers carried between steps")),
            "linear_system_error": (
                ("state_size",),
                errors,
                about("relative error of the best linear system found"),
            ),
        },
        provenance(
            title=f"mfbench baselines: {kernel}, rho = {rho_text(rho)}",
            settings=resolved,
            seeds=data.seed,
        ),
    )


def read_baselines(
    path: str | Path, *, task: Mapping[str, Any] | None = None
) -> tuple[str, float, Baselines]:
    """Read the baselines of a task, with its kernel and rho.

    Parameters
    ----------
    path : path
        NetCDF file of `write_baselines`.
    task : mapping, optional
        The ``task`` section that it must have been made with.

    Raises
    ------
    OSError
        The file is missing.
    BrokenFileError
        It is corrupt, holds no baselines or those of another task (the message names it).
    """
    with netCDF4.Dataset(sealed(path)) as file:
        file.set_auto_mask(False)
        needed = ("zero_error", "ridge_error", "ridge_window", "linear_system_error")
        check_variables(path, "baselines", file.variables, needed=needed)
        settings = json.loads(file.settings)
        check_identity(path, settings, {"task": task} if task else {})
        names, errors = settings["file"], file["linear_system_error"][:].tolist()
        return (
            names["kernel"],
            float(names["rho"]),
            Baselines(
                zero_error=float(file["zero_error"][...]),
                ridge_error=float(file["ridge_error"][...]),
                ridge_window=int(file["ridge_window"][...]),
                ridge_penalty=float(file["ridge_penalty"][...]),
                linear_system_error=dict(zip(file["state_size"][:].tolist(), errors, strict=True)),
            ),
        )


def _known_responses(path: str | Path, task: Task) -> dict[int, NDArray[np.float64]]:
    """The systems in a file of floors, as responses from x."""
    if task.marks is not None and task.marks.clock:
        return {}  # they step at marks only
    scale = 1.0 if task.marks is None else np.sqrt(task.marks.share)
    with netCDF4.Dataset(sealed(path)) as file:
        file.set_auto_mask(False)
        check_variables(path, "floors", file.variables, needed=("impulse_response", "state_size"))
        check_identity(path, json.loads(file.settings), {})
        responses = scale * file["impulse_response"][:]
        return dict(zip(file["state_size"][:].tolist(), responses, strict=True))
