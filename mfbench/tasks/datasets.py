"""Datasets: white input x and target y_t = sum_s k(s) x_{t-s}, one NetCDF file per task.

Marked tasks also have marks g, and their targets remember marked inputs (`mfbench.tasks.past`).

Models see input and target in units of their standard deviations: x has variance 1, and so has the
noise-free target over the scored steps, because sum_s w_s k(s)^2 = 1. So predicting zero has an
error of 1, and the scale of a memory function does not matter.

Inputs depend only on the study's seed and the split, so all kernels and levels of a study see the
same x (and the same marks and noise), and tasks share their sampling error.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np
from numpy.typing import NDArray

from mfbench.files import atomic, check_identity, check_variables, provenance, sealed
from mfbench.files.paths import rho_text
from mfbench.study.task import TaskSettings
from mfbench.tasks.kernels.family import Family
from mfbench.tasks.kernels.marks import Marks
from mfbench.tasks.kernels.memory import memory_function, memory_length, window_weights
from mfbench.tasks.past import Past, past_of

SPLITS = ("train", "validation", "test")
_BLOCK = 2**21  # float64 numbers in memory at once, about 16 MiB
_CHUNK = 2**18  # numbers in one chunk of the file, 1 MiB of float32


@dataclass(frozen=True)
class Task:
    """One task in memory.

    Attributes
    ----------
    x, y : dict of (N, T) float32 arrays
        Input and target by split.
    kernel, weights : (T,) float64 arrays
        Memory function, normalised, and window weights over lag.
    scored_from : int
        First scored step.
    family : str or Family
        Name of a registered family, a reference to a user's file, or a family itself.
    rho : float
        Its knob.
    memory_length : int
        Its M99 in steps.
    distribution : {"normal", "uniform", "rademacher"}
        Distribution of the input.
    seed : int
        Seed of all inputs of the study.
    marks : Marks or None
        How the task uses marks.
    g : dict of (N, T) int8 arrays
        The marks by split, 1 or 0; empty without marks.
    """

    x: dict[str, NDArray[np.float32]]
    y: dict[str, NDArray[np.float32]]
    kernel: NDArray[np.float64]
    weights: NDArray[np.float64]
    scored_from: int
    family: str | Family
    rho: float
    memory_length: int
    distribution: str
    seed: int
    marks: Marks | None = None
    g: dict[str, NDArray[np.int8]] = field(default_factory=dict)

    def inputs(self, split: str) -> NDArray[np.float32]:
        """What models see of a split: x, and the marks if there are any, (N, T, 1 or 2)."""
        return channels(self.x[split], self.g.get(split))

    def past(self, split: str) -> Past:
        """What the memory function reads from a split."""
        return past_of(self.x[split], self.g.get(split), self.marks)


def channels(x: NDArray[np.float32], g: NDArray[np.int8] | None = None) -> NDArray[np.float32]:
    """The input of a model: x (N, T), and the marks if there are any, (N, T, 1 or 2)."""
    return x[..., None] if g is None else np.stack((x, g.astype(np.float32)), -1)


def blocks(
    settings: TaskSettings, split: str, k: NDArray[np.float64], *, block: int | None = None
) -> Iterator[tuple[int, NDArray[np.float32], NDArray[np.float32], NDArray[np.int8] | None]]:
    """The sequences of a split in blocks: (index of the first, x, y, marks if there are any).

    The number of sequences in a block bounds the memory; it does not change the numbers.
    """
    count = getattr(settings.sequences, split)
    length = settings.length
    block = block or max(1, _BLOCK // (2 * length))
    inputs = _stream(settings.seed, split, 0)
    noises = _stream(settings.seed, split, 1)
    drawn = _stream(settings.seed, split, 2)
    noisy = settings.noise > 0 and split != "test"
    for first in range(0, count, block):
        shape = (min(block, count - first), length)
        # Compute targets from the input as it is stored, in float32.
        x = _white(inputs, settings.input.distribution, shape).astype(np.float32)
        g = _marks(drawn, settings.marks, shape)
        y = past_of(x, g, settings.marks).response(k)
        if noisy:
            y = y + settings.noise * noises.standard_normal(shape)
        yield first, x, y.astype(np.float32), g


def _stream(seed: int, split: str, purpose: int) -> np.random.Generator:
    key = (SPLITS.index(split), purpose)
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=key))


def _white(
    stream: np.random.Generator, distribution: str, shape: tuple[int, int]
) -> NDArray[np.float64]:
    """Independent numbers with mean 0 and variance 1."""
    if distribution == "normal":
        return stream.standard_normal(shape)
    if distribution == "uniform":
        return stream.uniform(-np.sqrt(3.0), np.sqrt(3.0), shape)
    return np.where(stream.random(shape) < 0.5, -1.0, 1.0)


def _marks(
    stream: np.random.Generator, marks: Marks | None, shape: tuple[int, int]
) -> NDArray[np.int8] | None:
    return None if marks is None else (stream.random(shape) < marks.share).astype(np.int8)


def new_inputs(task: Task, purpose: int, *, count: int, length: int) -> NDArray[np.float32]:
    """New inputs (count, length) with a task's distribution, independent of its splits.

    They depend only on the study's seed and the `purpose`.
    """
    key = (len(SPLITS), purpose)
    stream = np.random.default_rng(np.random.SeedSequence(task.seed, spawn_key=key))
    return _white(stream, task.distribution, (count, length)).astype(np.float32)


def new_sequences(
    task: Task, purpose: int, *, count: int, length: int
) -> tuple[NDArray[np.float32], NDArray[np.int8] | None]:
    """`new_inputs`, and marks for them if the task has any."""
    key = (len(SPLITS) + 1, purpose)
    stream = np.random.default_rng(np.random.SeedSequence(task.seed, spawn_key=key))
    x = new_inputs(task, purpose, count=count, length=length)
    return x, _marks(stream, task.marks, (count, length))


def write_dataset(
    path: str | Path, *, settings: TaskSettings, family: str, rho: float, kernel: str = ""
) -> None:
    """Generate one task and write it, with one block of sequences in memory at a time.

    Parameters
    ----------
    path : path
        NetCDF file to write.
    settings : TaskSettings
        The task settings of the study.
    family : str
        Name of a registered family, or a reference to a user's file.
    rho : float
        Its knob.
    kernel : str
        The kernel's name in the study; default: the name of its family.
    """
    T = settings.length
    weights, marks = settings.weights, settings.marks
    k = memory_function(family, rho, T, weights)
    clock = "marked steps" if marks is not None and marks.clock else "time steps"
    counts = [getattr(settings.sequences, split) for split in SPLITS]
    resolved = {"task": settings.model_dump(), "file": {"kernel": kernel or family, "rho": rho}}
    with atomic(path) as temporary, netCDF4.Dataset(temporary, "w") as file:
        file.setncatts(
            provenance(
                title=f"mfbench task: {kernel or family}, rho = {rho_text(rho)}",
                settings=resolved,
                seeds=settings.seed,
            )
        )
        file.setncatts(
            {
                "family": family,
                "rho": rho,
                "memory_length": memory_length(k, window_weights(T, settings.scored_from)),
                "sequence_length": T,
                "scored_from": settings.scored_from,
            }
        )
        file.createDimension("sequence", sum(counts))
        file.createDimension("time", T)
        file.createDimension("lag", T)
        chunks = (min(max(1, _CHUNK // T), sum(counts)), T)

        def variable(
            name: str, kind: str, dims: tuple[str, ...], long_name: str, **attributes: object
        ) -> Any:
            # White noise does not compress, so no zlib; every value is written, so no fill.
            made = file.createVariable(
                name, kind, dims, chunksizes=chunks if len(dims) == 2 else None, fill_value=False
            )
            made.setncatts({"long_name": long_name, "units": "1", **attributes})
            return made

        variable("time", "i4", ("time",), "time step", axis="T")[:] = np.arange(T)
        variable("lag", "i4", ("lag",), f"lag in {clock}")[:] = np.arange(T)
        variable(
            "split",
            "i1",
            ("sequence",),
            "split of the sequence",
            flag_values=np.arange(3, dtype="i1"),
            flag_meanings=" ".join(SPLITS),
        )[:] = np.repeat(np.arange(3, dtype="i1"), counts)
        variable("kernel", "f8", ("lag",), "memory function, normalised under the weights")[:] = k
        variable("weights", "f8", ("lag",), "share of scored steps that see the lag")[:] = weights
        x = variable("x", "f4", ("sequence", "time"), "white input")
        y = variable("y", "f4", ("sequence", "time"), "target", ancillary_variables="kernel")
        if marks is not None:
            g = variable("g", "i1", ("sequence", "time"), "marks")
        start = 0
        for split, count in zip(SPLITS, counts, strict=True):
            for first, block_x, block_y, block_g in blocks(settings, split, k):
                rows = slice(start + first, start + first + len(block_x))
                x[rows], y[rows] = block_x, block_y
                if block_g is not None:
                    g[rows] = block_g
            start += count


def read_dataset(
    path: str | Path,
    *,
    splits: tuple[str, ...] = SPLITS,
    task: Mapping[str, Any] | None = None,
) -> Task:
    """Read some splits of a task.

    Parameters
    ----------
    path : path
        NetCDF file of `write_dataset`.
    splits : tuple of str
        The splits to read.
    task : mapping, optional
        The ``task`` section that the file must have been made with.

    Raises
    ------
    OSError
        The file is missing.
    BrokenFileError
        The file is corrupt, not a dataset of mfbench, or of another task; the message names it.
    """
    with netCDF4.Dataset(sealed(path)) as file:
        file.set_auto_mask(False)
        check_variables(
            path, "dataset", file.variables, needed=("x", "y", "split", "kernel", "weights")
        )
        check_identity(path, json.loads(file.settings), {"task": task} if task else {})
        split = file["split"][:]
        settings = json.loads(file.settings)["task"]
        x, y, g = {}, {}, {}
        for name in splits:
            rows = np.flatnonzero(split == SPLITS.index(name))
            x[name] = file["x"][rows[0] : rows[-1] + 1]
            y[name] = file["y"][rows[0] : rows[-1] + 1]
            if "g" in file.variables:
                g[name] = file["g"][rows[0] : rows[-1] + 1]
        return Task(
            x=x,
            y=y,
            kernel=file["kernel"][:],
            weights=file["weights"][:],
            scored_from=int(file.scored_from),
            family=file.family,
            rho=float(file.rho),
            memory_length=int(file.memory_length),
            distribution=settings["input"]["distribution"],
            seed=settings["seed"],
            marks=Marks.of(settings),
            g=g,
        )
