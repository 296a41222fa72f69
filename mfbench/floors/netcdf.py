"""The floors of one task in a NetCDF file, with the systems that attain them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np

from mfbench.files import check_identity, check_variables, provenance, sealed
from mfbench.files.netcdf import about, write_netcdf
from mfbench.files.paths import rho_text
from mfbench.floors.finite import fir_floor
from mfbench.floors.model import model_floor
from mfbench.floors.problem import Array
from mfbench.study.task import FloorSettings, TaskSettings
from mfbench.tasks.kernels.marks import Marks
from mfbench.tasks.kernels.memory import memory_function, window_weights


@dataclass(frozen=True)
class Floors:
    """What the best models of a size can do on one task.

    Lag 0 costs no state here (a skip connection or a direct path gives it), which can only lower
    the floors.

    Attributes
    ----------
    k, weights : (T,) arrays
        Memory function and window weights.
    order : int
        n01: the least state size whose upper floor is at most 1 %, here without a direct path.
    bounds : dict
        State size -> (lower bound, upper bound), as far as they have been computed before.
    marks : Marks or None
        How the task uses marks.
    scored_from : int
        First scored step; only needed with marks.
    """

    k: Array
    weights: Array
    order: int
    bounds: Mapping[int, tuple[float, float]]
    marks: Marks | None = None
    scored_from: int = 0

    def of_model(
        self, *, state_size: int | None, receptive_field: int | None
    ) -> tuple[float, float]:
        """Lower and upper floor of the best models of a size (`model_floor`).

        In a marked task, these are linear systems of u = g x / sqrt(p), or linear systems that
        step at marks only.
        """
        unlimited = receptive_field is None or receptive_field >= len(self.k)
        size = len(self.k) if state_size is None else state_size
        if unlimited and size < len(self.k) and size in self.bounds:
            return self.bounds[size]
        seen = None
        if self.marks is not None and self.marks.clock:
            seen = self.marks.weights(len(self.k), self.scored_from, seen=receptive_field)
            receptive_field = None
        return model_floor(
            self.k, self.weights, state_size=state_size, receptive_field=receptive_field, seen=seen
        )

    def of_linear_model(
        self, *, state_size: int | None, receptive_field: int | None
    ) -> tuple[float, float]:
        """Lower and upper floor of a linear time-invariant model of x and, in marked tasks, g."""
        if self.marks is None or not self.marks.clock:
            lower, upper = self.of_model(state_size=state_size, receptive_field=receptive_field)
            if self.marks is None:
                return lower, upper
            lost = 1 - self.marks.share
            return lost + self.marks.share * lower, lost + self.marks.share * upper
        k = self.marks.linear_kernel(self.k)
        weights = window_weights(len(k), self.scored_from)
        energy = float(np.sum(weights * k**2))
        lower, upper = model_floor(
            k / np.sqrt(energy), weights, state_size=state_size, receptive_field=receptive_field
        )
        return 1 - energy * (1 - lower), 1 - energy * (1 - upper)


def write_floors(
    path: str | Path,
    *,
    task: TaskSettings,
    settings: FloorSettings,
    family: str,
    rho: float,
    kernel: str = "",
) -> None:
    """Compute the floors of one task and write them.

    Parameters
    ----------
    path : path
        NetCDF file to write.
    task : TaskSettings
        The task section of the study: sequence length and scored steps.
    settings : FloorSettings
        The floors section of the study.
    family : str
        Name of a registered family, or a reference to a file of one's own.
    rho : float
        Its knob.
    kernel : str
        The kernel's name in the study; default: that of its family.
    """
    from mfbench.floors.table import floor_table, order_for_error

    T = task.length
    weights = task.weights
    k = memory_function(family, rho, T, weights)
    table = floor_table(k, weights, settings.state_sizes, delta=settings.delta, feedthrough=True)
    clock = task.marks if task.marks is not None and task.marks.clock else None
    widths = np.arange(T + 1, dtype="i4")
    largest = int(table.orders[-1])

    def padded(values: list[Array]) -> Array:
        return np.stack([np.pad(v, (0, largest - len(v)), constant_values=np.nan) for v in values])

    resolved = {
        "task": task.for_floors(),
        "floors": settings.model_dump(),
        "file": {"kernel": kernel or family, "rho": rho},
    }
    size, state, lag = ("state_size",), ("state_size", "state"), ("lag",)
    field, systems = ("receptive_field",), table.systems
    order = np.int32(order_for_error(k, weights))
    fir = [
        fir_floor(k, weights, int(w))
        if clock is None
        else float(np.sum((weights - clock.weights(T, task.scored_from, seen=int(w))) * k**2))
        for w in widths
    ]
    values: dict[str, tuple[tuple[str, ...], Any, str]] = {
        "state_size": (size, table.orders.astype("i4"), "real numbers carried between steps"),
        "lag": (lag, np.arange(T, dtype="i4"), f"lag in {'marked' if clock else 'time'} steps"),
        "receptive_field": (field, widths, "number of lags seen"),
        "memory_function": (lag, k, "memory function, normalised under the weights"),
        "weights": (lag, weights, "share of scored steps that see the lag"),
        "order": ((), order, "least state size with a floor <= 1 %"),
        "lower_bound": (size, table.lower, "relative error that no linear system beats"),
        "upper_bound": (size, table.upper, "relative error of the best linear system found"),
        "stable_floor_real": (size, table.stable_real, "delta-stable floor, real positive poles"),
        "stable_floor_complex": (size, table.stable_complex, "delta-stable floor, all poles"),
        "poles_real": (state, padded([s.poles.real for s in systems]), "real part of the poles"),
        "poles_imag": (
            state,
            padded([s.poles.imag for s in systems]),
            "imaginary part of the poles",
        ),
        "coefficients": (
            state,
            padded([s.coefficients for s in systems]),
            "weights of the orthonormal states of the cascade of these poles",
        ),
        "impulse_response": (
            (*size, *lag),
            [s.impulse_response for s in systems],
            "impulse response of the best linear system found",
        ),
        "fir_floor": (field, fir, "relative error that no model with this receptive field beats"),
    }
    title = f"mfbench floors: {kernel or family}, rho = {rho_text(rho)}"
    write_netcdf(
        path,
        {name: (dims, array, about(text)) for name, (dims, array, text) in values.items()},
        provenance(title=title, settings=resolved, seeds=[])
        | {"comment": "Lag 0 costs no state in these floors, except in order."},
        compressed=True,
    )


def read_floors(path: str | Path, *, task: Mapping[str, Any] | None = None) -> Floors:
    """Read the floors of a task.

    Parameters
    ----------
    path : path
        NetCDF file of `write_floors`.
    task : mapping, optional
        The ``task`` section that it must have been made with, as far as floors depend on it.

    Raises
    ------
    OSError
        The file is missing.
    BrokenFileError
        It is corrupt, holds no floors or those of another task (the message names it).
    """
    with netCDF4.Dataset(sealed(path)) as file:
        file.set_auto_mask(False)
        needed = ("lower_bound", "upper_bound", "memory_function", "state_size")
        check_variables(path, "floors", file.variables, needed=needed)
        found = json.loads(file.settings)
        expected = {"task": {key: task.get(key) for key in found["task"]}} if task else {}
        check_identity(path, found, expected)
        sizes = file["state_size"][:].tolist()
        lower, upper = file["lower_bound"][:].tolist(), file["upper_bound"][:].tolist()
        return Floors(
            k=file["memory_function"][:],
            weights=file["weights"][:],
            order=int(file["order"][...]),
            bounds={n: (low, high) for n, low, high in zip(sizes, lower, upper, strict=True)},
            marks=Marks.of(task if task else found["task"]),
            scored_from=found["task"]["scored_from"],
        )
