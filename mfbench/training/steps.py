"""Optimiser steps of one member or of a stack, and what is due after them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from mfbench.architectures.jacobian import mean_over_steps, probe_jacobians
from mfbench.architectures.model import SequenceModel
from mfbench.architectures.own_code import during, own_code
from mfbench.architectures.stacked import StackedModel
from mfbench.config.training import VALIDATION_BATCH, TrainingSettings
from mfbench.training.data import TrainingData
from mfbench.training.loss import time_weights
from mfbench.training.optimiser import FlatAdamW
from mfbench.training.schedule import learning_rate_factor, validation_steps

if TYPE_CHECKING:
    from mfbench.training.member import Run

_CHECK_EVERY = 100  # steps between looks at the loss, each of which waits for a GPU


class Steps(ABC):
    """Optimiser steps of members that are at the same step, and what is due after them.

    The same for one member as for a stack: in the shapes, ... is nothing for one member and M for
    a stack.

    Attributes
    ----------
    members : sequence of Run
        Whose steps they are.
    model : SequenceModel or StackedModel
        (..., B, T, 1) -> (..., B, T, 1).
    optimiser : FlatAdamW
        Works on the model's parameters, (..., P).
    learning_rate : float or (M, 1) tensor
        Peak learning rate.
    """

    members: Sequence[Run]
    model: SequenceModel | StackedModel
    optimiser: FlatAdamW
    learning_rate: float | Tensor

    def __init__(self, data: TrainingData, settings: TrainingSettings) -> None:
        self.settings, self.scored_from = settings, data.scored_from
        self.validated = validation_steps(settings.steps, settings.validations)
        self.time_weights = None  # the plain mean takes one operation less
        if settings.loss.time_power:
            weights = time_weights(
                settings.loss.time_power, length=data.length, scored_from=data.scored_from
            )
            self.time_weights = torch.from_numpy(weights).to(data.x)

    @property
    def done(self) -> int:
        """Steps that are done."""
        return self.members[0].progress.step

    @property
    @abstractmethod
    def losses(self) -> Tensor:
        """Training loss of each step, (..., steps)."""

    @abstractmethod
    def batch(self, step: int) -> tuple[Tensor, Tensor]:
        """Input and target of a step, (..., B, T) each."""

    @abstractmethod
    def validation(self, rows: slice) -> tuple[Tensor, Tensor]:
        """Input and target of some sequences of the validation split, (..., n, T) each."""

    @property
    def validation_batch(self) -> int:
        """Sequences of a member that are validated at once."""
        return VALIDATION_BATCH

    def step(self) -> None:
        """One optimiser step, and what is due after it."""
        settings, step = self.settings, self.done
        x, y = self.batch(step)
        with during(f"step {step + 1}"):
            outputs = self.model(x[..., None])  # (..., B, T, 1)
        scored = (outputs[..., 0] - y)[..., self.scored_from :]
        if self.time_weights is not None:
            scored = scored * self.time_weights
        loss = scored.square().mean((-2, -1))  # (...)
        with during(f"step {step + 1}, backward"), own_code():
            self.optimiser.differentiate(loss)
        if settings.gradient_clipping is not None:
            self.optimiser.clip(settings.gradient_clipping)
        factor = learning_rate_factor(step, steps=settings.steps, schedule=settings.schedule)
        self.optimiser.step(step, self.learning_rate * factor)
        self.losses[..., step] = loss.detach()
        for member in self.members:
            member.progress.step = step + 1
        if self.done in self.validated:
            self.check()
            self.validate()
        elif self.done - self.members[0].checked >= _CHECK_EVERY:
            self.check()

    def check(self) -> None:
        """Note the first step with a loss that is not finite, for each member that has one."""
        start, end = self.members[0].checked, self.done
        finite = torch.isfinite(self.losses[..., start:end].cpu())
        for member, row in zip(
            self.members, finite.reshape(len(self.members), end - start), strict=True
        ):
            if not row.all():
                member.progress.diverged_step = start + 1 + int(torch.nonzero(~row)[0])
            member.checked = end

    def running(self) -> list[int]:
        """Which members have not diverged."""
        return [i for i, m in enumerate(self.members) if m.progress.diverged_step < 0]

    def validate(self) -> None:
        """Append to the curves of the running members, and keep the weights that are the best."""
        if not self.running():
            return
        before = max((s for s in self.validated if s < self.done), default=0)
        recent = self.losses[..., before : self.done].mean(-1).reshape(-1).tolist()
        with during(f"validation at step {self.done}"):
            errors = self.validation_errors().reshape(-1).tolist()
        for i in self.running():
            self.members[i].note_validation(recent[i], errors[i])
        if self.settings.memory_probes and self.running():
            with during(f"memory function at step {self.done}"):
                memories = self.memory().reshape(len(self.members), -1)
            for i in self.running():
                self.members[i].progress.memory[self.validated.index(self.done)] = memories[i]

    def validation_errors(self) -> Tensor:
        """Mean squared error on the validation split, (...)."""
        sequences, size = self.members[0].data.x_validation.shape[0], self.validation_batch
        parts = []
        self.model.eval()
        with torch.no_grad():
            for start in range(0, sequences, size):
                x, y = self.validation(slice(start, start + size))
                residual = (self.model(x[..., None])[..., 0] - y)[..., self.scored_from :]
                parts.append(residual.square().mean((-2, -1)).double() * x.shape[-2])
        self.model.train()
        return torch.stack(parts).sum(0) / sequences

    def memory(self) -> Tensor:
        """The memory function learned so far, (..., T): mean Jacobian on the validation split.

        The same probes at every step, so that differences over the training are the model's.
        """
        probes = self.settings.memory_probes
        self.model.eval()
        rows, times = probe_jacobians(
            self.model,
            self.validation(slice(probes))[0],
            scored_from=self.scored_from,
            probes=probes,
            batch_size=self.validation_batch,
        )
        self.model.train()
        return torch.from_numpy(mean_over_steps(rows, times))
