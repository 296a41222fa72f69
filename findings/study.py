"""What the page says of one study, as short texts."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import xarray as xr

from mfbench.cube.read import open_benchmark
from mfbench.cube.select import longest, selected
from mfbench.figures.tables import cause_table
from mfbench.report.boundary import boundary_texts

# What the page needs of a cube.
_KEPT = (
    *("status", "relative_mse", "best_validation_error", "diverged_step", "message"),
    *("kernel_error", "nonlinear_residual", "time_variation", "squared_bias", "plateau_length"),
    *("generalisation_error", "perturbation_error", "lower_floor", "upper_floor"),
    *("selected_learning_rate", "selected_rate_edge", "cause", "cause_evidence"),
    *("total_memory_capacity", "readout_error"),
)


def keep(cube: str | Path, path: str | Path) -> None:
    """Save the part of a cube that the page needs."""
    with xr.open_dataset(cube, mask_and_scale=False) as whole:
        kept = [n for n in map(str, whole) if n in _KEPT or n.startswith("boundary_")]
        part = whole[kept].load()
    part.to_netcdf(path, encoding={name: {"zlib": True, "complevel": 9} for name in kept})


def short(error: float) -> str:
    """An error in two or so digits: <.0001, .0003, .012, .12, 1.0."""
    if not math.isfinite(error):
        return "diverged"
    if error < 5e-5:
        return "<.0001"
    digits = 4 if error < 0.001 else 3 if error < 0.095 else 2 if error < 0.995 else 1
    return f"{error:.{digits}f}".removeprefix("0")


def one_width(cube: xr.Dataset) -> xr.Dataset:
    """A cube without the dimension width: each architecture at the only width it has."""
    there = cube.parameters > 0
    if (several := there.sum("width") != 1).any():
        raise ValueError(f"not one width: {cube.architecture.values[several].tolist()}")
    return cube.isel(width=there.argmax("width"))


class Study:
    """A study whose cube is kept in this folder.

    Parameters
    ----------
    path : path
        The cube, or a part of it.
    """

    def __init__(self, path: str | Path) -> None:
        whole = longest(open_benchmark(path))
        self.boundaries = {(a, k): text for (a, _, k), text in boundary_texts(whole).items()}
        self.causes = cause_table(whole)
        self.cube = one_width(whole)
        self.best = selected(self.cube)
        self.settings = json.loads(self.cube.attrs["settings"])
        self.success = self.settings["evaluation"]["success"]

    def count(self, axis: str) -> int:
        """Number of seeds, learning rates, and so on."""
        return self.cube.sizes[axis]

    @property
    def members(self) -> int:
        """Number of models trained."""
        return int((self.cube.status != "absent").sum())

    @property
    def steps(self) -> int:
        """Training steps."""
        return int(self.cube.budget)

    @property
    def length(self) -> int:
        """Steps of a sequence."""
        return int(self.settings["task"]["length"])

    @property
    def edge_percent(self) -> int:
        """Percentage of the trained cells in which most seeds are best at the highest rate."""
        edge = self.cube.selected_rate_edge
        return round(100 * float((edge == 1).sum() / edge.count()))

    @property
    def diverged(self) -> int:
        """Number of models that diverged."""
        return int((self.cube.status == "diverged").sum())

    @property
    def out_of_reach(self) -> int:
        """Number of unsolved tasks that no linear model with the same state could solve."""
        rows = self.causes.to_dict("records")
        at = [(r["architecture"], r["kernel"], r["level"]) for r in rows]
        floors = self.cube.lower_floor
        return sum(
            float(floors.sel(architecture=a, kernel=k, level=n)) > self.success for a, k, n in at
        )

    def parameter_range(self, *, except_for: str) -> str:
        """Fewest and most trained parameters of an architecture."""
        found = self.cube.parameters.drop_sel(architecture=except_for)
        return f"{int(found.min()):,} to {int(found.max()):,}"

    def states(self, architecture: str) -> int:
        """Real numbers in the state."""
        return int(self.cube.state_size.sel(architecture=architecture))

    def seeds(self, architecture: str, kernel: str, memory_length: float, what: str) -> Any:
        """A variable of a cell at its learning rates, by seed."""
        of_kernel = self.best.sel(architecture=architecture, kernel=kernel)
        at = int(np.abs(of_kernel.memory_length - memory_length).argmin("level"))
        return of_kernel[what].isel(level=at)

    def value(self, architecture: str, kernel: str, memory_length: float, **how: Any) -> float:
        """The median over seeds of a variable, by default of the relative error."""
        found = self.seeds(architecture, kernel, memory_length, how.pop("what", "relative_mse"))
        return float(found.sel(how).median())

    def error(self, architecture: str, kernel: str, memory_length: float, **how: Any) -> str:
        """The median error over seeds."""
        return short(self.value(architecture, kernel, memory_length, **how))

    def range(self, architecture: str, kernel: str, memory_length: float) -> str:
        """Errors of the best and the worst seed."""
        found = self.seeds(architecture, kernel, memory_length, "relative_mse")
        return f"{short(float(found.min()))} to {short(float(found.max()))}"

    def perturbed(self, architecture: str, kernel: str, memory_length: float) -> str:
        """The median error after a change of all weights by 1 % of their norm."""
        how = {"what": "perturbation_error", "perturbation": 0.01}
        return self.error(architecture, kernel, memory_length, **how)

    def longer(self, architecture: str, kernel: str, memory_length: float, factor: int) -> str:
        """The median error on sequences that are longer by a factor."""
        how = {"what": "generalisation_error", "length_factor": factor}
        return self.error(architecture, kernel, memory_length, **how)

    def capacity(self, architecture: str, kernel: str, memory_length: float) -> str:
        """The median number of past inputs that a linear readout restores from the state."""
        return (
            f"{self.value(architecture, kernel, memory_length, what='total_memory_capacity'):.0f}"
        )

    def readout(self, architecture: str, kernel: str, memory_length: float) -> str:
        """The median error of the best linear readout of the state for the target."""
        return self.error(architecture, kernel, memory_length, what="readout_error")

    def state_table(self, architectures: Sequence[str], memory_length: int) -> str:
        """A row per architecture: its state, and what it holds of an impulse at a memory length."""
        lines = [
            f"| impulse at {memory_length} | numbers in the state | past inputs restored | error | "
            "error of the best readout |",
            "|---|---|---|---|---|",
        ]
        for name in architectures:
            at = name, "impulse", memory_length
            texts = (
                name,
                self.states(name),
                self.capacity(*at),
                self.error(*at),
                self.readout(*at),
            )
            lines.append("| " + " | ".join(map(str, texts)) + " |")
        return "\n".join(lines)

    def inside_percent(self, which: Literal["solved", "unsolved"]) -> int:
        """Percentage of (un)solved tasks with their best learning rate inside those tried."""
        solved = self.best.relative_mse.median("seed") < self.success
        edge = self.cube.selected_rate_edge.where(solved == (which == "solved"))
        return round(100 * float((edge == 0).sum() / edge.count()))

    def share(self, part: str, *architectures: str, solved: bool = True) -> int:
        """Median percentage of a part of the error over seeds and (un)solved tasks."""
        best = self.best.sel(architecture=list(architectures or self.cube.architecture.values))
        error = best.relative_mse
        which = error < self.success if solved else error >= self.success
        return round(100 * float((best[part] / error).where(which).median()))

    def lengths(self, kernel: str) -> list[int]:
        """The memory lengths of a kernel, from easy to hard."""
        found = self.cube.memory_length.sel(kernel=kernel)
        found = found.isel({d: 0 for d in found.dims if d != "level"})
        return [round(m) for m in found.values.tolist() if math.isfinite(m)]

    def errors(self, architecture: str, kernel: str, lengths: Sequence[int] | None = None) -> str:
        """Median errors by memory length; unsolved ones in bold."""
        texts = []
        for memory_length in lengths or self.lengths(kernel):
            value = self.value(architecture, kernel, memory_length)
            solved = value < self.success
            texts.append(short(value) if solved else f"**{short(value)}**")
        return " ".join(texts)

    def table(self, kernels: Sequence[str], architectures: Sequence[str] | None = None) -> str:
        """A row per architecture with the errors on each kernel."""
        lines = ["| | " + " | ".join(kernels) + " |", "|---" * (len(kernels) + 1) + "|"]
        for name in architectures or self.cube.architecture.values:
            cells = [self.errors(str(name), kernel) for kernel in kernels]
            lines.append(f"| {name} | " + " | ".join(cells) + " |")
        return "\n".join(lines)

    def linear_bound(self, kernel: str, memory_length: float) -> float:
        """The lowest error of a linear time-invariant model of any size; 0 without marks."""
        if "linear_floor" not in self.cube:
            return 0.0
        floors = self.cube.linear_floor.sel(kernel=kernel)
        lengths = self.cube.memory_length.sel(kernel=kernel)
        return float(floors.where(lengths == memory_length).min())

    def boundary_table(self) -> str:
        """A row per architecture with its failure boundary on each kernel."""
        kernels = [str(k) for k in self.cube.kernel.values]
        lines = [
            "| fails from M99 | " + " | ".join(kernels) + " |",
            "|---" * (len(kernels) + 1) + "|",
        ]
        for name in map(str, self.cube.architecture.values):
            cells = [self.boundaries[name, kernel]["text"] for kernel in kernels]
            lines.append(f"| {name} | " + " | ".join(cells) + " |")
        return "\n".join(lines)

    def cells(self, *kernels: str) -> int:
        """Number of pairs of architecture and task."""
        wanted = self.best.relative_mse.sel(kernel=list(kernels or self.cube.kernel.values))
        return int((wanted.count("seed") > 0).sum())

    def unsolved(self, *kernels: str) -> int:
        """Number of unsolved pairs of architecture and task."""
        return int(self.causes.kernel.isin(kernels or self.cube.kernel.values).sum())

    def caused_by(self, *causes: str) -> int:
        """Number of unsolved pairs with one of these causes."""
        return int(self.causes.cause.isin(causes).sum())

    def hinted(self, text: str) -> int:
        """Number of unsolved pairs whose evidence has this text."""
        return int(self.causes.evidence.str.contains(text, regex=False).sum())

    def first_failures(self) -> pd.DataFrame:
        """The causes of the easiest failure of each architecture on each kernel."""
        ordered = self.causes.sort_values("memory_length", kind="stable")
        first = ordered.groupby(["architecture", "kernel"], sort=False).head(1)
        order = {str(name): i for i, name in enumerate(self.cube.architecture.values)}
        return first.sort_values("architecture", key=lambda c: c.map(order), kind="stable")

    def cause_table(self) -> str:
        """A row per first failure: its cause and the evidence."""
        lines = ["| | M99 | error | cause | evidence |", "|---|---|---|---|---|"]
        for row in self.first_failures().to_dict("records"):
            task = (row["architecture"], row["kernel"], row["memory_length"])
            lines.append(
                f"| {row['architecture']}, {row['kernel']} | {row['memory_length']:.0f} | "
                f"{self.error(*task)} | {row['cause']} | {row['evidence']} |"
            )
        return "\n".join(lines)
