"""The trial of a model: the model and the inputs on which its promises are checked."""

from __future__ import annotations

import copy
import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import Tensor

from mfbench.models.ensemble import trained_parameters
from mfbench.models.model import Model, Part
from mfbench.models.own_code import ArchitectureError, own_code

# Numbers in one layer's output, summed over cut points; and sequences that always fit into one
# forward pass, because a training batch has at least as many.
_NUMBERS, _BATCH = 2**23, 16


@dataclass
class Trial:
    """A model on trial.

    Attributes
    ----------
    model : Model
        In evaluation mode, on the device that will train it.
    build : callable
        Builds another model of the same kind.
    length : int
        Sequence length T in steps.
    longer : sequence of int
        Other lengths, which the evaluation will use.
    warnings : list of str
        For the model's author.
    generator : torch.Generator
        Source of all random numbers.
    """

    model: Model
    build: Callable[[], Model]
    length: int
    longer: Sequence[int] = ()
    warnings: list[str] = field(default_factory=list)
    generator: torch.Generator = field(default_factory=lambda: torch.Generator().manual_seed(0))

    def draw(self, *shape: int) -> Tensor:
        """Gaussian numbers with the model's type, on its device."""
        drawn = torch.randn(shape, generator=self.generator, dtype=torch.float64)
        return drawn.to(self.model.like)

    def inputs(self, batch: int, *, length: int | None = None) -> Tensor:
        """Inputs (B, T, d) of a task: white, and marks of 0 or 1 in a second channel."""
        x = self.draw(batch, length or self.length, self.model.d_in)
        x[..., 1:] = (x[..., 1:] > 0).to(x)
        return x

    def inputs_of(self, part: Part, batch: int, *, length: int | None = None) -> Tensor:
        """Inputs (B, T, channels) of a part of the model."""
        if part.module is self.model:
            return self.inputs(batch, length=length)
        return self.draw(batch, length or self.length, part.channels)

    @property
    def whole(self) -> Part:
        """The model as a part of itself."""
        return Part("the model", self.model, self.model.d_in, None)

    def run(self, x: Tensor) -> Tensor:
        """Outputs (B, T) for inputs (B, T, d)."""
        with torch.no_grad():
            return self.model(x)[..., 0]

    @property
    def copies(self) -> int:
        """Sequences that run at once; attention may take T^2 numbers for each."""
        return max(_BATCH, _NUMBERS // (self.length * max(self.model.width, self.length)))

    def double(self) -> Trial:
        """The same trial in float64."""
        return replace(
            self,
            model=copy.deepcopy(self.model).double(),
            build=lambda: self.build().double(),
            warnings=[],
        )

    def disturb(self, most: float = 0.1) -> Trial | None:
        """The same trial at other parameters; None if the model runs at none of those tried."""
        for size in (most, 0.1 * most, 0.01 * most):
            other = replace(self, model=copy.deepcopy(self.model))
            with torch.no_grad():
                for parameter in trained_parameters(other.model).values():
                    fan_in = parameter.shape[-1] if parameter.ndim > 1 else 1
                    parameter.add_(other.draw(*parameter.shape), alpha=size * fan_in**-0.5)
            try:
                with own_code():
                    y = other.run(other.inputs(2))
            except ArchitectureError:  # the model may refuse some parameters
                continue
            if y.isfinite().all():
                return other
        return None


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seed all random generators for the block."""
    before = random.getstate(), np.random.get_state()  # a user's model may use them
    gpus = [torch.cuda.current_device()] if torch.cuda.is_initialized() else []
    with torch.random.fork_rng(devices=gpus):
        torch.manual_seed(seed)
        random.seed(seed)
        np.random.seed(seed)
        try:
            yield
        finally:
            random.setstate(before[0])
            np.random.set_state(before[1])


def changes(trial: Trial, part: Part, *, from_cut_on: bool) -> tuple[Tensor, Tensor, float]:
    """How outputs of a part change with new inputs from a cut on, or before it.

    Returns
    -------
    cuts : (S,) tensor of int
        1 to T - 1, or as many of these as fit.
    change : (S, T) tensor
    size : float
        The largest output.
    """
    length = trial.length
    most = max(_BATCH, _NUMBERS // (length * trial.model.width))
    cuts = torch.randperm(length - 1, generator=torch.Generator().manual_seed(0))[:most] + 1
    cuts = cuts.sort().values
    x = trial.inputs_of(part, 1)
    steps = torch.arange(length)
    found, size = [], 0.0
    for some in cuts.split(trial.copies):
        anew = ((steps >= some[:, None]) == from_cut_on)[..., None].to(x.device)
        other = trial.inputs_of(part, len(some))
        with torch.no_grad():
            y = part.module(torch.cat((x, torch.where(anew, other, x))))
        found.append((y[1:] - y[:1]).abs().amax(-1).cpu())
        size = max(size, size_of(y))
    return cuts, torch.cat(found), size


def size_of(y: Tensor) -> float:
    """The largest absolute value."""
    return float(y.abs().max())


def apart(one: Tensor, other: Tensor) -> float:
    """The largest difference."""
    return size_of(one - other)
