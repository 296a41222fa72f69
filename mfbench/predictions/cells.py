"""Cells of a cube, identified by model and task instead of the names that a user chose."""

from __future__ import annotations

import json
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from mfbench.cube.intervals import decades
from mfbench.cube.select import longest, trained
from mfbench.predictions.verdict import NotDecidedError
from mfbench.study.training import TrainingChanges, merged

_TRAINED = tuple(TrainingChanges.model_fields)  # training settings an architecture may override
SEEDS = 3  # fewer runs than this decide nothing
_MODEL = ("model", "layers", "norm", "residual", "activation", "options")
LEARNED = 0.1  # relative error of a solved task: the default of evaluation.success


@dataclass(frozen=True, kw_only=True, eq=False)
class Cell:
    """One (architecture, width, kernel, level) of a study and its trained members.

    Attributes
    ----------
    study, architecture : str
        Names, for messages only.
    model, layers, norm, residual, activation, options
        The architecture, with all defaults filled in.
    training, task : mapping
        These sections of the study; `training` includes the architecture's own changes.
    width : int
        Number of channels.
    kernel, rho, memory_length
        The task.
    state_size, receptive_field : float
        NaN if the model declares none.
    linear : bool
        Whether the model is exactly linear in x.
    data : Dataset
        The cell's part of the cube, with dimensions learning_rate and seed.
    """

    study: str
    architecture: str
    model: str
    layers: int | None
    norm: str | None
    residual: bool | None
    activation: str | None
    options: Mapping[str, Any]
    training: Mapping[str, Any]
    task: Mapping[str, Any]
    width: int
    kernel: str
    rho: float
    memory_length: int
    state_size: float
    receptive_field: float
    linear: bool
    data: xr.Dataset

    @property
    def length(self) -> int:
        """Sequence length T in steps."""
        return int(self.task["length"])

    @property
    def status(self) -> NDArray[Any]:
        """Outcome of every member, (learning_rate, seed)."""
        return np.asarray(self.data.status.transpose("learning_rate", "seed").values)

    @property
    def trained(self) -> NDArray[np.bool_]:
        """Which members have an error, diverged ones included, (learning_rate, seed)."""
        present = trained(self.data).transpose("learning_rate", "seed").values
        return np.asarray(present & ~np.isnan(self.error))

    @property
    def error(self) -> NDArray[np.float64]:
        """Relative test error of every member: infinite if it diverged, NaN if untrained."""
        error = self.data.relative_mse.transpose("learning_rate", "seed").values
        return np.asarray(np.where(self.status == "diverged", np.inf, error))

    @property
    def seeds(self) -> dict[int, float]:
        """Relative test error by seed at the learning rate that validation selects for it."""
        present = self.trained[self.selected]
        errors = self.error[self.selected][present]
        pairs = zip(self.data.seed.values[present], errors, strict=True)
        return {int(seed): float(error) for seed, error in pairs}

    @property
    def rates(self) -> NDArray[np.float64]:
        """Learning rates of the study."""
        return np.asarray(self.data.learning_rate.values, float)

    @property
    def selected(self) -> tuple[NDArray[np.int_], NDArray[np.int_]]:
        """Indices of the learning rate that validation selects for each seed, and of the seed."""
        chosen = np.broadcast_to(self.data.selected_learning_rate, self.data.seed.shape)
        return abs(self.rates[:, None] - chosen).argmin(0), np.arange(len(chosen))

    @property
    def learned(self) -> bool:
        """Whether the median run solves the task. In all rules, this is what `learned` means."""
        return bool(self.seeds) and float(np.median(list(self.seeds.values()))) < LEARNED

    @property
    def k(self) -> NDArray[np.float64]:
        """Memory function of the task times the square root of the window weights, (lag,).

        Its squares sum to 1. A model that misses some lags has a relative error of at least the sum
        of their squares.
        """
        return np.asarray(self.data.memory_function.values * np.sqrt(self.data.weights.values))

    def per_seed(self, name: str) -> dict[int, NDArray[np.float64]]:
        """A member variable by seed at the selected learning rate, without diverged runs.

        Raises
        ------
        NotDecidedError
            The cube does not have the variable.
        """
        if name not in self.data:
            raise NotDecidedError(f"the cube has no {name}")
        ok = self.status[self.selected] == "ok"
        values = self.data[name].transpose("learning_rate", "seed", ...).values[self.selected][ok]
        pairs = zip(self.data.seed.values[ok], values, strict=True)
        return {int(seed): np.asarray(value, float) for seed, value in pairs}

    def same_but(self, *options: str) -> tuple[Hashable, ...]:
        """Key of the trained model without its width and these options.

        Sections of the training are named as in ``training.loss``.
        """
        kept = {k: v for k, v in self.options.items() if k not in options}
        training = {k: self.training.get(k) for k in _TRAINED if f"training.{k}" not in options}
        stack = (self.model, self.layers, self.norm, self.residual, self.activation)
        return (*stack, json.dumps([kept, training], sort_keys=True))

    @property
    def what(self) -> tuple[Hashable, ...]:
        """Key of the trained model without its width."""
        return self.same_but()

    @property
    def on(self) -> tuple[Hashable, ...]:
        """Key of the task, the same in all studies."""
        return (self.kernel, self.rho, json.dumps(self.task, sort_keys=True))


def cells(cube: xr.Dataset) -> list[Cell]:
    """All cells of a cube with at least one trained member; failed cells have none.

    Predictions are about plain tasks: a study of marked tasks has no cells.

    Raises
    ------
    ValueError
        The cube has no settings.
    """
    if "settings" not in cube.attrs:
        raise ValueError("not a benchmark cube of mfbench: the attribute 'settings' is missing")
    cube, settings = longest(cube), json.loads(cube.attrs["settings"])
    found = []
    if settings["task"].get("marked") is not None:
        return []
    for architecture in cube.architecture.values.tolist():
        entry = settings["architectures"][architecture]
        stack = {key: entry.get(key) for key in _MODEL}
        training = merged(settings["training"], entry["training"])
        for width in cube.width.values.tolist():
            model = cube.sel(architecture=architecture, width=width)
            for kernel in cube.kernel.values.tolist():
                tasks = model.sel(kernel=kernel)
                for level in range(tasks.sizes["level"]):
                    data = tasks.isel(level=level)
                    if not trained(data).any():
                        continue
                    found.append(
                        Cell(
                            study=str(settings["name"]),
                            architecture=str(architecture),
                            **stack,
                            training=training,
                            task=settings["task"],
                            width=int(width),
                            kernel=str(kernel),
                            rho=float(data.rho),
                            memory_length=int(data.memory_length),
                            state_size=float(data.state_size),
                            receptive_field=float(data.receptive_field),
                            linear=bool(data.linear == 1),
                            data=data,
                        )
                    )
    return found


def require(found: Sequence[Cell], what: str) -> Sequence[Cell]:
    """Return the cells with enough seeds.

    Raises
    ------
    NotDecidedError
        No cell has enough seeds; the message says what is missing.
    """
    if not found:
        raise NotDecidedError(f"the study has no {what}")
    enough = [cell for cell in found if len(cell.seeds) >= SEEDS]
    if not enough:
        most = max(len(cell.seeds) for cell in found)
        raise NotDecidedError(f"needs at least {SEEDS} seeds, found {most}: {what}")
    return enough


def count(found: Iterable[Cell], *, all_rates: bool = False) -> dict[str, int]:
    """Number of runs and of diverged runs, at the selected or at all learning rates."""
    runs = diverged = 0
    for cell in found:
        if all_rates:
            runs += int(cell.trained.sum())
            diverged += int((cell.status == "diverged").sum())
        else:
            runs += len(cell.seeds)
            diverged += int(np.isinf(list(cell.seeds.values())).sum())
    return {"runs": runs, "diverged": diverged}


def score(cell: Cell) -> dict[int, float]:
    """log10 of the relative error by seed, clipped as in `decades`."""
    return dict(zip(cell.seeds, decades(cell.seeds.values()), strict=True))
