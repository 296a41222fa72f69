"""A task: which memory function, on how many sequences of which length."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from mfbench.api.defaults import LENGTH
from mfbench.api.kernels import Kernel, resolved
from mfbench.api.keywords import keywords_checked
from mfbench.api.notebook import curve, table
from mfbench.api.sections import checked
from mfbench.study.kernel import checked_length
from mfbench.study.task import TaskSettings
from mfbench.tasks import datasets
from mfbench.tasks.kernels import memory
from mfbench.tasks.kernels.family import Family
from mfbench.tasks.kernels.lookup import family as find_family
from mfbench.words import counted

_SEQUENCES = {"train": 2048, "validation": 256, "test": 512}


@keywords_checked
@dataclass(frozen=True, eq=False, repr=False)
class Task:
    """A task: predict y_t = sum_s k(s) x_{t-s} from white input x.

    The sequences are generated when they are first used; the same seed gives the same input in
    every task of the same length.

    Parameters
    ----------
    kernel : str, Family or array
        A registered family, a reference to a file as in studies, a family, or the values of the
        memory function over lag.
    memory_length : int, optional
        Effective memory length M99 in steps.
    rho : float, optional
        Instead of `memory_length`: the knob of the family. Both are set once the task exists. If
        both are given, as by ``dataclasses.replace``, they must agree.
    length : int
        Sequence length T in steps.
    scored_from : int, optional
        First scored step; default: half of the length.
    sequences : int or mapping
        Number of sequences to train on, or numbers for ``train``, ``validation`` and ``test``.
    noise : float
        Standard deviation of white noise on training and validation targets.
    distribution : {"normal", "uniform", "rademacher"}
        Distribution of the input.
    marked : float, optional
        Probability of a mark. Models see pairs (x, g) then, g = 1 at marked steps and 0 at others,
        and the target remembers marked inputs only (docs/tasks.md).
    clock : {"steps", "marked"}
        What lags count.
    seed : int
        Seed of all inputs, marks and noise.

    Raises
    ------
    ValueError
        The kernel has no such task, or a number lies outside its range.

    Examples
    --------
    >>> import mfbench as mf
    >>> task = mf.Task("exponential", memory_length=8, length=32, sequences=100)
    >>> task
    Task('exponential', memory_length=8, rho=0.749931, length=32)
    >>> task.x["train"].shape, task.y["test"].shape
    ((100, 32), (512, 32))
    """

    kernel: Kernel
    memory_length: int | None = None
    rho: float | None = field(default=None, kw_only=True)
    length: int = field(default=LENGTH, kw_only=True)
    scored_from: int | None = field(default=None, kw_only=True)
    sequences: int | Mapping[str, int] = field(default=2048, kw_only=True)
    noise: float = field(default=0.0, kw_only=True)
    distribution: Literal["normal", "uniform", "rademacher"] = field(default="normal", kw_only=True)
    marked: float | None = field(default=None, kw_only=True)
    clock: Literal["steps", "marked"] = field(default="steps", kw_only=True)
    seed: int = field(default=0, kw_only=True)

    family: str | Family = field(init=False)

    def __post_init__(self) -> None:
        both = None not in (self.rho, self.memory_length)
        wanted = None if both else self.memory_length
        length, weights = self.settings.length, self._window_weights
        family, rho = resolved(self.kernel, self.rho, wanted, length, weights)
        # A frozen dataclass sets what it derives from its arguments in this way.
        for name, value in {"family": family, "rho": rho}.items():
            object.__setattr__(self, name, value)
        m99 = memory.memory_length(self.memory_function, weights)
        if both and m99 != self.memory_length:
            raise ValueError(
                f"{family}: rho = {rho:g} has memory_length = {m99}, not {self.memory_length}: "
                "give either rho or memory_length, and None for the other"
            )
        object.__setattr__(self, "memory_length", checked_length(m99, self.settings.longest_memory))

    @cached_property
    def settings(self) -> TaskSettings:
        """The task section of a study with this task."""
        counts = {"train": self.sequences} if isinstance(self.sequences, int) else self.sequences
        start = self.length // 2 if self.scored_from is None else self.scored_from
        given = {
            "length": self.length,
            "scored_from": start,
            "sequences": {**_SEQUENCES, **counts},
            "noise": self.noise,
            "input": {"distribution": self.distribution},
            **({} if self.marked is None else {"marked": self.marked}),
            "clock": self.clock,
            "seed": self.seed,
        }
        return checked(TaskSettings, given)

    @cached_property
    def weights(self) -> NDArray[np.float64]:
        """Share of scored steps that see each lag, (T,)."""
        return self.settings.weights

    @property
    def _window_weights(self) -> NDArray[np.float64]:
        """The weights with which memory lengths are defined, whatever the clock."""
        return memory.window_weights(self.settings.length, self.settings.scored_from)

    @cached_property
    def memory_function(self) -> NDArray[np.float64]:
        """The memory function k(s) over lag, (T,)."""
        assert self.rho is not None
        return memory.memory_function(self.family, self.rho, self.length, self.weights)

    @cached_property
    def data(self) -> datasets.Task:
        """The task in memory, as training and evaluation take it."""
        assert self.rho is not None
        assert self.memory_length is not None
        x, y, g = {}, {}, {}
        for split in datasets.SPLITS:
            blocks = list(datasets.blocks(self.settings, split, self.memory_function))
            x[split] = np.concatenate([block for _, block, _, _ in blocks])
            y[split] = np.concatenate([block for _, _, block, _ in blocks])
            if self.marked is not None:
                g[split] = np.concatenate([block for *_, block in blocks if block is not None])
        return datasets.Task(
            x=x,
            y=y,
            kernel=self.memory_function,
            weights=self.weights,
            scored_from=self.settings.scored_from,
            family=self.family,
            rho=self.rho,
            memory_length=self.memory_length,
            distribution=self.distribution,
            seed=self.seed,
            marks=self.settings.marks,
            g=g,
        )

    @property
    def x(self) -> dict[str, NDArray[np.float32]]:
        """Input x (N, T) of each split."""
        return self.data.x

    @property
    def g(self) -> dict[str, NDArray[np.int8]]:
        """Marks (N, T) of each split; empty if the task has none."""
        return self.data.g

    @property
    def y(self) -> dict[str, NDArray[np.float32]]:
        """Target (N, T) of each split; test targets have no noise."""
        return self.data.y

    @property
    def _only(self) -> bool:
        """Whether the kernel has only one `rho`."""
        return find_family(self.family).only is not None

    def __repr__(self) -> str:
        # The formula tells families and arrays apart in a line.
        kernel = repr(self.family) if isinstance(self.family, str) else str(self.family)
        knob = "" if self._only else f"rho={self.rho:g}, "
        marked = "" if self.marked is None else f", marked={self.marked:g}"
        clock = "" if self.clock == "steps" else f", clock={self.clock!r}"
        return (
            f"Task({kernel}, memory_length={self.memory_length}, {knob}length={self.length}"
            f"{marked}{clock})"
        )

    def _repr_html_(self) -> str:
        rows = {
            "kernel": str(self.family),
            "memory length M99": counted(self.memory_length or 0, "step"),
            **({} if self._only else {"rho": f"{self.rho:g}"}),
            **({} if self.marked is None else {"marked inputs": f"{self.marked:.0%}"}),
            **({} if self.clock == "steps" else {"lags count": "marked steps"}),
            "sequences": f"{self.settings.sequences.train} of {self.length} steps to train on",
        }
        return table(rows) + curve(self.memory_function, "target")


def check_task(task: Task) -> None:
    """Refuse the name of a kernel in place of a task."""
    if not isinstance(task, Task):
        raise TypeError(
            f"the task is {task!r}: give a Task, as in mf.Task('airy', memory_length=16)"
        )
